"""Pixels and People: helpers of a course in image classification and its ethics.

The lessons use one module for each step, in the order in which data flows::

    datasets → models → training → evaluation → labs → notebooks → essays

Importing this package is cheap: TensorFlow is loaded only when a network is built.
"""

from importlib.metadata import version

from course_utils import backend
from course_utils.execution.records import record

__all__ = ["record"]

backend.configure()

__version__ = version("pixels-and-people")
