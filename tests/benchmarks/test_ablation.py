"""The ablation's benchmark: bad numbers are refused, and the table tells the summary."""

import io

import pandas as pd
import pytest
from rich.console import Console

from benchmarks.ablation import format_summary, measure
from course_utils.evaluation import paired_difference, percentage
from course_utils.labs import ablation


def test_two_seeds_are_too_few(tmp_path):
    path = tmp_path / "ablation.json"
    with pytest.raises(ablation.AblationError, match="num_seeds is 2"):
        measure("pixels10", num_seeds=2, num_train=200, path=path)
    assert not path.exists()


def test_the_table_has_accuracies_changes_and_costs():
    columns = ["step", "seed", "accuracy", "seconds", "cpu_seconds", "parameters", "multiply_adds"]
    trainings = [
        ("classic", 0, 0.70, 100, 190, 1_000, 23_000_000),
        ("Muon", 0, 0.66, 20, 39, 1_234, 8_260_000),
        ("classic", 1, 0.72, 102, 190, 1_000, 23_000_000),
        ("Muon", 1, 0.68, 21, 39, 1_234, 8_260_000),
        ("classic", 2, 0.71, 101, 190, 1_000, 23_000_000),
        ("Muon", 2, 0.68, 22, 39, 1_234, 8_260_000),
    ]
    summary = ablation.summarise(pd.DataFrame(trainings, columns=columns))
    change = paired_difference([0.66, 0.68, 0.68], [0.70, 0.72, 0.71])
    output = io.StringIO()
    Console(file=output, width=150).print(format_summary(summary))
    lines = output.getvalue().splitlines()
    classic = next(line for line in lines if "classic" in line)
    muon = next(line for line in lines if "Muon" in line)
    assert "71.0 %" in classic and "190.0 s" in classic and "23.0 M" in classic
    assert f"−3.7 ({percentage(change.low)} to {percentage(change.high)})" in muon
    assert "39.0 s" in muon and "8.3 M" in muon and "1,234" in muon
