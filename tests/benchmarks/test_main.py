"""`python -m benchmarks`, as it is typed."""

import json

import pytest
from typer.testing import CliRunner

from benchmarks.__main__ import app
from course_utils.bench.measurement import Measurement


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return lambda *words: CliRunner().invoke(app, list(map(str, words)), env={"COLUMNS": "200"})


@pytest.mark.parametrize("command", ["grading", "hostile", "ablation", "attacks"])
def test_every_benchmark_has_help_with_examples(run, command):
    result = run(command, "--help")
    assert result.exit_code == 0
    assert f"python -m benchmarks {command}" in result.output


def test_what_was_measured_is_kept_when_it_is_stopped(run, tmp_path, monkeypatch):
    def measure(*, num_learners):
        yield Measurement("learners", num_learners, "of them")
        raise KeyboardInterrupt

    monkeypatch.setattr("benchmarks.grading.measure_grading", measure)
    monkeypatch.setattr("benchmarks.otter.unavailable", lambda: "there is no otter")
    result = run("grading", "--learners", "7", "--json", "bench.json")
    assert result.exit_code == 130
    assert "7 of them" in result.output
    assert "there is no otter" in result.output
    (written,) = json.loads((tmp_path / "bench.json").read_text())["measurements"]
    assert written["value"] == 7


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("ablation", "--dataset", "nowhere"), "there is no data set 'nowhere'"),
        (("ablation", "--dataset", "pixels10", "--json", "there.json"), "there.json"),
        (("attacks", "no such"), "there is no attack 'no such'"),
        (("hostile", "--json", "there.json"), "there.json is in the way"),
    ],
)
def test_what_cannot_be_measured_is_said_and_nothing_is_written(run, tmp_path, words, message):
    (tmp_path / "there.json").write_text("mine")
    result = run(*words)
    assert result.exit_code == 2
    assert message in result.output
    assert [one.read_text() for one in tmp_path.iterdir()] == ["mine"]
