"""What only maintainers measure: against other graders, with hostile classes, and ablations.

``python -m benchmarks --help``, called in the repository, lists them.
"""
