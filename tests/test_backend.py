import json
import os
import platform
import subprocess
import sys
import textwrap
import zipfile

import pytest

from course_utils import backend


def python(code, **environment):
    inherited = {name: value for name, value in os.environ.items() if name not in backend.SETTINGS}
    return subprocess.run(
        [sys.executable, "-c", code],
        env=inherited | environment,
        capture_output=True,
        text=True,
        check=True,
    )


SHOW = "import os, course_utils; print(os.environ[{name!r}])"


@pytest.mark.parametrize(("name", "value"), backend.SETTINGS.items())
def test_importing_the_package_puts_the_settings_in_place(name, value):
    assert python(SHOW.format(name=name)).stdout.strip() == value


def test_a_choice_that_was_made_before_stands():
    shown = python(SHOW.format(name="TF_ENABLE_ONEDNN_OPTS"), TF_ENABLE_ONEDNN_OPTS="0")
    assert shown.stdout.strip() == "0"


def test_another_backend_of_keras_is_not_taken():
    code = (
        "import course_utils; from course_utils import models; print(models.keras.config.backend())"
    )
    assert python(code, KERAS_BACKEND="jax").stdout.strip() == "tensorflow"


def test_keras_with_another_backend_before_the_course_is_refused():
    code = (
        "import keras\n"
        "keras.config.backend = lambda: 'jax'  # which isn't installed here\n"
        "try:\n"
        "    from course_utils import models\n"
        "except Exception as error:\n"
        "    print(type(error).__name__, error)\n"
    )
    said = python(code).stdout
    assert said.startswith("BackendError Keras has been imported with the backend jax")
    assert "restart the kernel" in said


def test_other_numbers_and_layouts_of_keras_are_set_right(tmp_path):
    settings = {"floatx": "float16", "image_data_format": "channels_first", "backend": "jax"}
    (tmp_path / "keras.json").write_text(json.dumps(settings))
    code = (
        "from course_utils import models\n"
        "model = models.build('classic', width=0.1)\n"
        "print(model.compute_dtype, model.layers[1].data_format, model.layers[1].compute_dtype)\n"
    )
    shown = python(code, KERAS_HOME=str(tmp_path)).stdout
    assert shown.split() == ["float32", "channels_last", "float32"]


def test_importing_the_package_imports_nothing_heavy():
    heavy = "{'tensorflow', 'keras', 'pandas', 'matplotlib', 'sklearn'}"
    shown = python(f"import sys, course_utils; print(sorted({heavy} & set(sys.modules)))")
    assert shown.stdout.strip() == "[]"


def test_what_is_written_at_start_up_is_held_back(capfd):
    with backend.quiet_startup():
        os.write(2, b"oneDNN is on\n")
    os.write(2, b"later\n")
    assert capfd.readouterr().err == "later\n"


def test_what_was_held_back_comes_with_the_error(capfd):
    with pytest.raises(ImportError), backend.quiet_startup():
        os.write(2, b"why it failed\n")
        raise ImportError
    assert capfd.readouterr().err == "why it failed\n"


# Take, fill and free 64 MB twice; print how many pages the system had to fill the second time.
FILL_TWICE = """
import ctypes, resource
from course_utils import backend
{keep}
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes = [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]
for _ in range(2):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    block = libc.malloc(64 * 2**20)
    ctypes.memset(block, 1, 64 * 2**20)
    libc.free(block)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="there is no glibc here")
def test_freed_memory_is_kept_for_the_next_tensor():
    kept = python(FILL_TWICE.format(keep="assert backend.keep_freed_memory()"))
    given_back = python(FILL_TWICE.format(keep=""))
    assert int(kept.stdout) < 100 < int(given_back.stdout)


WAYS = [
    "import course_utils, keras",
    "import keras, course_utils",
    "from course_utils import datasets; import keras",
    "from course_utils import models; import keras",
    "import course_utils; from tensorflow import keras",
]


@pytest.mark.parametrize("imports", WAYS)
def test_a_saved_network_is_loaded_in_a_new_process(imports, tmp_path_factory):
    """With its optimizer and schedule, in whichever order the course and Keras are imported."""
    folder = tmp_path_factory.getbasetemp() / "saved network"
    if not folder.exists():
        folder.mkdir()
        python(SAVE, FOLDER=str(folder))
    model = "model = keras.models.load_model(os.environ['FOLDER'] + '/quick.keras')"
    code = f"import os; {imports}; {model}; print(model.optimizer.learning_rate, model.name)"
    assert python(code, FOLDER=str(folder)).stdout.split()[-1] == "quick"


SAVE = """
import os
import numpy as np
from course_utils import layers, models
model = models.build("quick", image_shape=(16, 16, 3))
schedule = layers.WarmUpAndDecay(0.1, 10, 0.2)
model.compile(layers.ConvolutionalMuon(schedule), "categorical_crossentropy")
images = np.random.default_rng(0).integers(0, 256, (8, 16, 16, 3), dtype=np.uint8)
model.fit(images, np.eye(10)[:8], verbose=0)
model.save(os.environ["FOLDER"] + "/quick.keras")
"""


def run_python(code, folder):
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True, text=True, cwd=folder, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("thing", ["None", "types.ModuleType('keras')"])
def test_the_course_is_imported_where_keras_has_been_made_unavailable(tmp_path, thing):
    code = f"import sys, types; sys.modules['keras'] = {thing}; import course_utils.datasets"
    run = run_python(code, tmp_path)
    assert run.returncode == 0, run.stderr


def test_keras_is_told_of_the_layers_whoever_finds_it(tmp_path):
    """As where Keras is installed as an editable package, by a finder of its own."""
    run = run_python(
        """
        import sys
        import course_utils
        from importlib.machinery import PathFinder
        find = PathFinder.find_spec

        class Finder:
            def find_spec(self, name, path=None, target=None):
                return find(name, path, target) if name == "keras" else None

        PathFinder.find_spec = lambda name, path=None, target=None: (
            None if name == "keras" else find(name, path, target)
        )
        sys.meta_path.append(Finder())
        import keras
        print(keras.saving.get_registered_object("course_utils>PatchWhitening"))
        """,
        tmp_path,
    )
    assert "PatchWhitening" in run.stdout, run.stderr


def test_only_keras_itself_is_watched_where_it_lies_in_a_zip(tmp_path):
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr("keras/__init__.py", "import keras.part")
        archive.writestr("keras/part.py", "")
        archive.writestr("another.py", "")
    run = run_python(
        """
        import sys, types
        sys.path.insert(0, "all.zip")
        import course_utils
        from course_utils import backend
        sys.modules["course_utils.layers"] = types.ModuleType("layers")
        executed = []
        backend.configure_keras = lambda: executed.append(1)
        import keras, another
        print(keras.part.__name__, len(executed))
        """,
        tmp_path,
    )
    assert run.stdout.split() == ["keras.part", "1"], run.stderr
