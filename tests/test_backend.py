import os
import subprocess
import sys

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
