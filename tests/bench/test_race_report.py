"""The table of a race says what was measured, and what was not."""

from dataclasses import replace

import pytest

from course_utils.bench import race_report as report
from course_utils.bench.race import ONEDNN_OFF, Race, Result
from course_utils.evaluation import over_seeds, wilson
from course_utils.files import FilesError

COSTS = {
    "training_flops": 1e6,
    "validation_flops": 4e5,
    "epochs": 3,
    "validations": 0.25,
    "compute_dtype": "float32",
}
QUICK = COSTS | {"compute_dtype": "bfloat16"}
IDENTITY = {
    "machine": "2 cores",
    "dataset": "pixels10",
    "num_train": 50_000,
    "num_test": 10_000,
    "keras": "3.15.1",
    "tensorflow": "2.21.0",
}


def result(contestant, seed, seconds, num_correct):
    return Result(
        contestant=contestant,
        seed=seed,
        date=f"2031-05-0{4 + seed}T12:30:00+00:00",
        seconds=seconds,
        cpu_seconds=2 * seconds,
        num_correct=num_correct,
        num_test=10_000,
        num_trained=100_000,
        num_validated=50_000,
        epochs=[
            {"epoch": epoch, "end": seconds * epoch / 2, "val_accuracy": 0.7} for epoch in (1, 2)
        ],
        peak_memory=1_250_000_000,
        process_seconds=60.0,
    )


@pytest.fixture
def race():
    return Race(
        IDENTITY,
        {"original": COSTS, "classic": COSTS, "quick": QUICK, "good": COSTS},
        [
            result("quick", 0, 10, 7500),
            result("original", 0, 400, 7400),
            result("good", 0, 40, 7000),
            result("classic", 0, 200, 7420),
            result("quick", 1, 14, 7460),
        ],
        matmul_rates=[{"float32": 20e9, "bfloat16": 40e9}],
    )


def test_contestants_stand_side_by_side(race):
    table = report.table(race)
    assert list(table.columns) == ["original", "classic", "quick", "good"]
    quick = table["quick"]
    assert quick["trainings"] == "2"
    assert quick["test accuracy"].startswith("74.8 % (")
    assert quick["time"] == "12 s"
    assert quick["CPU time"] == "24 s"
    assert quick["original's time ÷ this"] == "33.3"
    assert quick["classic's time ÷ this"] == "16.7"
    assert quick["TFLOP"] == "0.12"
    assert list(table.loc["computed in"]) == ["float32", "float32", "bfloat16", "float32"]
    assert quick["of that matmul rate"] == "25.0 %"
    assert quick["of the float32 rate"] == "50.0 %"
    assert table["good"]["of that matmul rate"] == table["good"]["of the float32 rate"] == "15.0 %"
    assert quick["peak memory"] == "1.25 GB"
    assert quick["images per second"] == "8,571"
    assert list(table.loc["reaches the target"]) == ["–", "–", "yes", "no"]


def test_one_training_has_wilsons_interval_and_several_have_students(race):
    assert str(report.accuracy(race.of("classic"))) == "74.2 % (73.3–75.0)"
    several = [*race.of("quick"), race.of("classic")[0]]
    assert report.accuracy(several) == over_seeds([one.accuracy for one in several])
    two = report.accuracy(race.of("quick"))
    assert two == wilson(round(two.value * 10_000), 10_000)


def test_the_notes_say_on_what_and_when(race):
    text = " ".join(report.notes(race))
    assert "pixels10, 50,000 training and 10,000 test images; 2 cores" in text
    assert "2031-05-04 to 2031-05-05" in text
    assert "20 GFLOP/s in float32 and 40 GFLOP/s in bfloat16 (median of 1" in text
    assert "The target, 74.1 %" in text
    assert "xtrapolated" not in text


def test_without_a_baseline_there_is_no_target_and_no_ratio(race):
    race.results = race.of("quick")
    table = report.table(race)
    assert table["quick"]["reaches the target"] == "–"
    assert not any("÷" in name for name in table.index)


def test_a_short_race_says_that_it_is_extrapolated(race):
    race.results = [result("quick", 0, 10, 7500), result(ONEDNN_OFF, 0, 200, 7400)]
    race.extrapolated = True
    table = report.table(race)
    assert list(table.columns) == [ONEDNN_OFF, "quick"]
    assert set(table.loc["test accuracy"]) == {"not measured"}
    assert "peak memory" not in table.index
    assert table["quick"]["images per second"] == "10,000"
    # 3 epochs of 40,000 images, and 10,000 that are only looked at, with 0.4 of the operations
    assert table["quick"]["time"] == "12 s"
    assert any(line.startswith("Extrapolated: ") for line in report.notes(race))
    found = {one.name: one.value for one in report.measurements(race)}
    assert found["training quick: speed"] == 10_000
    assert found["training quick: time, extrapolated"] == pytest.approx(12.4)


def test_the_page_is_a_markdown_table(race):
    lines = report.markdown(race).splitlines()
    assert lines[0] == "| | original | classic | quick | good |"
    assert lines[1] == "|---|---:|---:|---:|---:|"
    assert all(line.count("|") == 6 for line in lines[: len(report.table(race)) + 2])


def test_table_and_figure_are_written_beside_the_file(race, tmp_path):
    page, picture = report.write(race, tmp_path / "race.json")
    assert page.name == "race.md"
    assert page.read_text(encoding="utf-8") == report.markdown(race)
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_page_of_somebody_elses_is_not_written_over(race, tmp_path):
    report.write(race, tmp_path / "race.json")
    report.write(race, tmp_path / "race.json")
    (tmp_path / "README.md").write_text("mine")
    with pytest.raises(FilesError, match=r"README\.md is in the way"):
        report.write(race, tmp_path / "README.json")
    assert (tmp_path / "README.md").read_text() == "mine"
    assert not (tmp_path / "README.png").exists()
    report.write(race, tmp_path / "README.json", force=True)
    assert (tmp_path / "README.md").read_text() != "mine"


def test_the_figure_names_every_training(race):
    race.results.append(replace(race.results[0], seed=2))
    assert "6 trainings of original, classic, quick and good" in report.plot(race).alt
