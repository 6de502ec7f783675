"""Settings that have to be in place before TensorFlow is imported.

``import course_utils`` calls :func:`configure`, so every notebook, command and test gets the same
settings. Only environment variables are touched: nothing heavy is imported here.
"""

import os

SETTINGS = {
    # Keras runs on TensorFlow in this course.
    "KERAS_BACKEND": "tensorflow",
    # TensorFlow uses its fast oneDNN convolutions only on CPUs with AVX512-VNNI or AMX unless told
    # to. Elsewhere turning them on cuts the CPU time of the classic network by about a fifth.
    "TF_ENABLE_ONEDNN_OPTS": "1",
    # TensorFlow's start-up messages say nothing a learner can act on; warnings and errors remain.
    "TF_CPP_MIN_LOG_LEVEL": "1",
}


def configure() -> None:
    """Set each of :data:`SETTINGS` unless the environment already does."""
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
