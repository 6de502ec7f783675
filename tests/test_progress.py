import os
import pty
import subprocess
import sys

import pytest

SHOW = "from course_utils.progress import is_watched; print(is_watched())"
EDITORS = {"JPY_SESSION_NAME", "VSCODE_PID", "COLAB_RELEASE_TAG"}
IN_A_KERNEL = "import ipykernel; " + SHOW


def is_watched(code, *, terminal=False, **environment):
    main, end = pty.openpty()
    try:
        shown = subprocess.run(
            [sys.executable, "-c", code],
            env={name: value for name, value in os.environ.items() if name not in EDITORS}
            | environment,
            stdout=subprocess.PIPE,
            stderr=end if terminal else subprocess.DEVNULL,
            text=True,
            check=True,
        )
    finally:
        os.close(main)
        os.close(end)
    return shown.stdout.strip() == "True"


@pytest.mark.parametrize("terminal", [True, False])
def test_a_command_is_watched_on_a_terminal(terminal):
    assert is_watched(SHOW, terminal=terminal) == terminal


def test_a_kernel_is_watched_when_an_editor_started_it():
    assert is_watched(IN_A_KERNEL, JPY_SESSION_NAME="notebooks/03_training.ipynb")


def test_a_headless_kernel_is_not_watched_even_from_a_terminal():
    assert not is_watched(IN_A_KERNEL, terminal=True)
