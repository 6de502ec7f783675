"""Settings that have to be in place before TensorFlow is imported.

``import course_utils`` calls :func:`configure`, so every notebook, command and test gets the same
settings. Only environment variables are touched: nothing heavy is imported here.
"""

import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

SETTINGS = {
    # Keras runs on TensorFlow in this course.
    "KERAS_BACKEND": "tensorflow",
    # TensorFlow uses its fast oneDNN convolutions only on CPUs with AVX512-VNNI or AMX unless told
    # to. Elsewhere turning them on cuts the CPU time of the classic network by about a fifth.
    "TF_ENABLE_ONEDNN_OPTS": "1",
    # TensorFlow's informational messages say nothing a learner can act on; errors remain.
    "TF_CPP_MIN_LOG_LEVEL": "2",
}


def configure() -> None:
    """Set each of :data:`SETTINGS` unless the environment already does."""
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)


@contextmanager
def quiet_startup() -> Iterator[None]:
    """Hold back what TensorFlow's C++ parts write to standard error while they are imported.

    They announce oneDNN there whatever the log level is, which would end up in every notebook.
    When the import fails, what was held back is written out with the error.
    """
    with tempfile.TemporaryFile() as held_back:
        stderr = os.dup(2)
        os.dup2(held_back.fileno(), 2)
        try:
            yield
        except BaseException:
            os.dup2(stderr, 2)
            held_back.seek(0)
            os.write(2, held_back.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
    # It also warns of slow re-tracing whenever a few networks are trained in a row, as labs do.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
