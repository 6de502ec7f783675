"""The ``course`` command from its first moment on, also as ``python -m course_utils``."""

import sys


def main() -> None:
    """Import the command and run it; Ctrl-C in the meantime ends it without a traceback."""
    try:
        from course_utils.cli import app
    except KeyboardInterrupt:
        sys.exit(130)
    app()


if __name__ == "__main__":
    main()
