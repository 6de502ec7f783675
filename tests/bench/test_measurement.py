"""A measurement says whether its target is met, and can be kept as a file."""

import json

import pytest

from course_utils.bench.measurement import Measurement, write_json
from course_utils.hardware import machine


@pytest.mark.parametrize(
    ("options", "target", "is_met"),
    [
        ({}, "", None),
        ({"at_most": 4}, "≤ 4 s", True),
        ({"at_most": 3.9}, "≤ 3.9 s", False),
        ({"at_least": 4}, "≥ 4 s", True),
        ({"at_least": 4.1}, "≥ 4.1 s", False),
        ({"at_most": 5, "at_least": 4.5}, "≤ 5 s and ≥ 4.5 s", False),
        ({"at_most": 5, "condition": "on 2 cores"}, "≤ 5 s on 2 cores", True),
    ],
)
def test_a_measurement_is_beside_its_target(options, target, is_met):
    one = Measurement("waiting", 4.0, "s", **options)
    assert (one.target, one.is_met, str(one)) == (target, is_met, "4 s")


def test_the_file_names_the_machine(tmp_path):
    one = Measurement("import", 0.0421, "s", at_most=0.2)
    write_json([one], tmp_path / "bench.json")
    content = json.loads((tmp_path / "bench.json").read_text(encoding="utf-8"))
    assert content["machine"] == machine()
    assert content["measurements"] == [
        {"name": "import", "value": 0.0421, "unit": "s", "target": "≤ 0.2 s", "met": True}
    ]
    assert str(one) == "0.0421 s"
