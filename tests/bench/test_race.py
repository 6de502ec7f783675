"""The race: its order, its sums, and that nothing finished is lost."""

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest

from course_utils import datasets
from course_utils.bench import race as training
from course_utils.bench import worker
from course_utils.bench.race import Race, Result
from course_utils.execution.lessons import RunError

COSTS = {
    "training_flops": 100,
    "validation_flops": 40,
    "epochs": 20,
    "validations": 5.0,
    "compute_dtype": "float32",
}
RESULT = Result(
    contestant="quick",
    seed=0,
    date="2031-05-04T12:30:00+00:00",
    seconds=7.0,
    cpu_seconds=12.0,
    num_correct=75,
    num_test=100,
    num_trained=2_000,
    num_validated=500,
    epochs=[
        {"epoch": 1, "end": 4.0, "val_accuracy": None},
        {"epoch": 2, "end": 6.5, "val_accuracy": 0.7},
    ],
    peak_memory=10**9,
    process_seconds=60.0,
)


def make_race(*results, **options):
    identity = {"machine": "2 cores", "dataset": "pixels10", "num_train": 400}
    costs = dict.fromkeys(training.CONTESTANTS, COSTS)
    return Race(
        identity, costs, list(results), [{"float32": rate} for rate in (1e9, 3e9, 2e9)], **options
    )


def test_everyone_runs_once_before_anyone_runs_again():
    order = training.schedule(training.NUM_SEEDS)
    assert {name for name, _ in order[:5]} == set(training.CONTESTANTS)
    assert {seed for _, seed in order[:5]} == {0}
    wanted = {(name, seed) for name, n in training.NUM_SEEDS.items() for seed in range(n)}
    assert set(order) == wanted
    assert len(order) == len(wanted)


def test_slow_and_fast_contestants_alternate():
    rest = [name for name, _ in training.schedule(training.NUM_SEEDS)[5:]]
    slow = [
        position for position, name in enumerate(rest) if name in ("original", "classic", "best")
    ]
    assert min(np.diff(slow)) > 1
    quick = [position for position, name in enumerate(rest) if name == "quick"]
    assert quick[0] <= 1
    assert quick[-1] >= len(rest) - 3


def test_numbers_of_trainings_are_read():
    assert training.parse_num_seeds("original=1, quick=5") == {"original": 1, "quick": 5}
    assert training.schedule({"quick": 2}) == [("quick", 0), ("quick", 1)]


@pytest.mark.parametrize("text", ["slow=1", "quick", "quick=0", "quick=-1", "quick=1,,good=2", ""])
def test_wrong_numbers_of_trainings_are_named(text):
    with pytest.raises(RunError, match="such as original=1,quick=5 with contestants from original"):
        training.parse_num_seeds(text)


def test_operations_and_the_matmul_rate():
    race = make_race(RESULT)
    assert race.flops(RESULT) == 2_000 * 100 + 500 * 40
    assert race.seconds(RESULT) == 7.0
    assert race.matmul_rate("float32") == 2e9


def test_a_sample_is_extrapolated_by_its_second_epoch():
    race = make_race(RESULT, extrapolated=True)
    flops = 40_000 * (20 * 100 + 5 * 40)
    assert race.flops(RESULT) == flops
    # 1,000 pictures in the 2.5 s of the second epoch; 2 s were lost in the first one and at the end
    assert race.seconds(RESULT) == pytest.approx(2 + flops * 2.5 / (1_000 * 100))
    assert race.target is None


def test_the_target_is_the_mean_of_original_and_classic():
    assert make_race(RESULT).target is None
    originals = [
        replace(RESULT, contestant="original", seed=seed, num_correct=n)
        for seed, n in enumerate((70, 76))
    ]
    classic = replace(RESULT, contestant="classic", num_correct=79)
    race = make_race(RESULT, *originals, classic)
    assert race.target == pytest.approx(0.75)
    assert race.contestants == ["original", "classic", "quick"]


def test_a_race_is_kept_in_its_file(tmp_path):
    path = tmp_path / "race.json"
    race = make_race(RESULT)
    training._write(race, path)
    read = training._open(path, make_race())
    assert read.results == [RESULT]
    assert read.matmul_rates == race.matmul_rates


@pytest.mark.parametrize(
    ("name", "value"), [("machine", "64 cores"), ("dataset", "cifar10"), ("num_train", 9)]
)
def test_another_race_is_refused(tmp_path, name, value):
    path = tmp_path / "race.json"
    training._write(make_race(RESULT), path)
    now = make_race()
    now.identity[name] = value
    with pytest.raises(RunError, match=f"holds a race with another {name}: .* now it is {value}"):
        training._open(path, now)


@pytest.mark.parametrize("before", [None, ["b", "c"]])
def test_a_race_on_other_pictures_of_the_same_name_is_refused(tmp_path, before):
    path = tmp_path / "race.json"
    earlier, now = make_race(RESULT), make_race()
    earlier.identity["pictures"], now.identity["pictures"] = before, ["a", "c"]
    training._write(earlier, path)
    with pytest.raises(RunError, match="a race on other pictures"):
        training._open(path, now)


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"identity": {}, "results": [{"a": 1}]}'])
def test_a_file_that_is_no_race_is_refused(tmp_path, content):
    path = tmp_path / "race.json"
    path.write_text(content)
    with pytest.raises(RunError, match="can't be read as a race"):
        training._open(path, make_race())


def test_everyone_gets_the_same_pictures_and_holds_back_the_same(tmp_path):
    path = tmp_path / "pictures.npz"
    pictures = worker.Pictures("pixels10", num_train=50, num_test=10)
    worker.export(pictures, seed=3, path=str(path))
    data = datasets.load("pixels10", num_train=50, num_test=10, seed=0)
    held_back = np.random.default_rng(3).permutation(50)[40:]  # as training.fit draws them
    with np.load(path) as arrays:
        np.testing.assert_array_equal(arrays["x_train"][40:], data.train.images[held_back])
        np.testing.assert_array_equal(arrays["y_train"][40:, 0], data.train.labels[held_back])
        np.testing.assert_array_equal(arrays["x_test"], data.test.images)
        assert arrays["y_test"].shape == (10, 1)


def test_a_race_that_is_killed_goes_on(tmp_path):
    """With kill -9 after its first training; the second time it only does what is missing."""
    path = tmp_path / "race.json"
    command = [sys.executable, "-m", "course_utils", "bench", "training", "--full"]
    command += ["--dataset", "pixels10", "--num-train", "160", "--json", str(path)]
    command += ["--runs", "quick=1,classic=1"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        end = time.monotonic() + 120
        while not path.exists():
            assert time.monotonic() < end
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
    (quick,) = json.loads(path.read_text())["results"]
    assert quick["contestant"] == "quick"

    done = subprocess.run(command, capture_output=True, text=True, check=True)
    content = json.loads(path.read_text())
    again, classic = content["results"]
    assert again == quick
    assert classic["contestant"] == "classic"
    assert len(content["matmul_rates"]) == 2
    assert all(min(rates.values()) > 1e8 for rates in content["matmul_rates"])
    assert quick["num_trained"] == 3 * 128
    assert classic["num_trained"] == 20 * 128
    assert (quick["num_validated"], classic["num_validated"]) == (32, 20 * 32)
    assert [row["val_accuracy"] is None for row in quick["epochs"]] == [True, True, False]
    assert quick["epochs"][-1]["end"] == pytest.approx(quick["seconds"], abs=0.01)
    assert 2e8 < quick["peak_memory"] < 3e9
    assert "2 of 2: classic, seed 0" in done.stdout
    assert "1 of 2" not in done.stdout
    assert path.with_suffix(".md").read_text().startswith("| | classic | quick |")
    assert path.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
