"""Benchmarks: the time and memory that the course needs on this computer.

:mod:`~course_utils.bench.short` holds short ones; :mod:`~course_utils.bench.race` lets the recipes
race each other. What only maintainers measure is in ``benchmarks/`` of the repository.
"""
