"""Grading: the student edition, a sandboxed kernel, an nbval judge, and what comes of its verdicts.

The answers never enter the learner's process. A check cell emits values; the expected ones come
from the instructor's notebook, run with the same fresh seed, and the comparison happens here.
"""
