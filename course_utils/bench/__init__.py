"""Benchmarks: the time and memory that the course needs on this computer.

:mod:`~course_utils.bench.measurements` holds short ones; :mod:`~course_utils.bench.training` lets
the recipes race each other.
"""

from course_utils.bench.measurements import (
    BENCHMARKS,
    MAKER,
    Measurement,
    machine,
    measure_data,
    measure_lessons,
    measure_start,
    measure_training,
    write_json,
)

__all__ = [
    "BENCHMARKS",
    "MAKER",
    "Measurement",
    "machine",
    "measure_data",
    "measure_lessons",
    "measure_start",
    "measure_training",
    "write_json",
]
