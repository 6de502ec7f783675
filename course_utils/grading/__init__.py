"""Grading: rooms in the order of an instructor's work.

The answers never enter the learner's process. A check cell emits values; the expected ones come
from the instructor's notebook, run with the same fresh seed, and the comparison happens here.

A :class:`~course_utils.grading.judgement.Judgement` is what passes between the rooms: ``judge``
makes it, ``batch`` collects it, ``records`` keeps it, and ``pages`` and ``lms`` show it.
"""
