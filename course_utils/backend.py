"""Settings that have to be in place before TensorFlow is imported.

``import course_utils`` calls :func:`configure`, so every notebook, command and test gets the same
settings. Only environment variables are touched: nothing heavy is imported here. The settings of
the memory and of Keras are made when TensorFlow is imported.
"""

import copy
import ctypes
import importlib
import logging
import os
import platform
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

BACKEND = "tensorflow"
SETTINGS = {
    # Keras runs on TensorFlow in this course.
    "KERAS_BACKEND": BACKEND,
    # TensorFlow uses its fast oneDNN convolutions only on CPUs with AVX512-VNNI or AMX unless told
    # to. Elsewhere turning them on cuts the CPU time of the classic network by about a fifth.
    "TF_ENABLE_ONEDNN_OPTS": "1",
    # TensorFlow's informational messages say nothing a learner can act on; errors remain.
    "TF_CPP_MIN_LOG_LEVEL": "2",
}


class BackendError(Exception):
    """Keras has been set up in a way that the course can't use; the message says what to do."""


asked_backend = os.environ.get("KERAS_BACKEND", BACKEND)  # by the environment, before configure()


def configure() -> None:
    """Set each of :data:`SETTINGS` unless the environment already does; Keras's backend anyway.

    Once Keras has been imported, by whomever, it knows the course's layers.
    """
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    os.environ["KERAS_BACKEND"] = BACKEND
    config = getattr(sys.modules.get("keras"), "config", None)
    if config is None:  # not imported yet, or made unavailable, or something else of that name
        sys.meta_path.insert(0, _KerasFinder())
    elif config.backend() == BACKEND:
        importlib.import_module("course_utils.layers")


class _KerasFinder(MetaPathFinder):
    """Registers the course's layers with Keras at the end of Keras's import.

    Keras loads a saved network only if it has been told of each class in it. A learner who opens a
    network in a new process imports the course and Keras, and nothing of ours that would tell it.

    Where Keras is, the other finders say.
    """

    _is_asking = False  # another one of this kind, which a reloaded module leaves behind, asks back

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != "keras" or self._is_asking:
            return None
        self._is_asking = True
        try:
            found = (
                finder.find_spec(name, path, target)
                for finder in sys.meta_path
                if finder is not self and hasattr(finder, "find_spec")
            )
            spec = next(filter(None, found), None)
        finally:
            self._is_asking = False
        if spec and hasattr(spec.loader, "exec_module"):
            loader: Any = copy.copy(spec.loader)  # a zip's loads other modules as well
            execute = loader.exec_module

            def execute_and_register(module: ModuleType) -> None:
                with quiet_startup():
                    execute(module)
                importlib.import_module("course_utils.layers")

            loader.exec_module = execute_and_register
            spec.loader = loader
        return spec


def configure_keras() -> None:
    """Give an imported Keras the number format and layout of images that the course needs.

    A file ``keras.json`` in the user's folder may have set others.

    Raises:
        BackendError: Keras was imported before the course, with another backend.
    """
    keras = sys.modules.get("keras")
    if keras is None:
        return
    if (found := keras.config.backend()) != BACKEND:
        raise BackendError(
            f"Keras has been imported with the backend {found}, and the course needs {BACKEND}: "
            "restart the kernel, and import course_utils before keras"
        )
    keras.config.set_floatx("float32")
    keras.config.set_image_data_format("channels_last")
    keras.config.set_epsilon(1e-7)


# glibc's parameters of mallopt, from its malloc.h: the size from which on a block is mapped on its
# own, and the free memory at the heap's end from which on it goes back to the system.
_M_MMAP_THRESHOLD, _M_TRIM_THRESHOLD = -3, -1
_KEPT = 2**30  # bytes


def keep_freed_memory() -> bool:
    """Let this process keep the memory of freed tensors for the next ones, where that is glibc's.

    By itself glibc maps every block of more than 32 MB anew and gives it back when it is freed, and
    the system then has to fill each page with zeros at its first use. A training step frees and
    takes the same blocks over and over. On one older processor (AVX2) this halved the time of an
    epoch; on two newer ones it made no difference. It costs about 25 MB of memory.

    Returns:
        Whether the settings exist here and were made.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return all(mallopt(setting, _KEPT) for setting in (_M_MMAP_THRESHOLD, _M_TRIM_THRESHOLD))


@contextmanager
def quiet_startup() -> Iterator[None]:
    """Hold back what TensorFlow's C++ parts write to standard error while they are imported.

    They announce oneDNN there whatever the log level is, which would end up in every notebook.
    When the import fails, what was held back is written out with the error.
    """
    keep_freed_memory()
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
    configure_keras()
    # It also warns of slow re-tracing whenever a few networks are trained in a row, as labs do.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
