"""Whether somebody is watching, so that progress bars stay out of headless runs."""

import os
import sys

# Set in the kernels that a person's notebook editor starts: Jupyter server, VS Code, Colab.
_EDITORS = ("JPY_SESSION_NAME", "VSCODE_PID", "COLAB_RELEASE_TAG")


def is_watched() -> bool:
    """Tell whether a person sees the output as it appears.

    In a notebook's kernel that is so when an editor started it; papermill, nbval and nbconvert are
    not watched. Elsewhere it is so on a terminal.
    """
    if "ipykernel" in sys.modules:
        return any(name in os.environ for name in _EDITORS)
    return sys.stderr.isatty()
