"""What lies outside the sandbox: another learner's submission, and whoever listens."""

import hashlib
import json
import socket
import threading
from pathlib import Path

from tests.grading.attacks.lesson import ANSWERS, make_student_edition, write

SECRET = "OTHER-LEARNERS-ANSWER"


class Outside:
    """A folder of the grader's computer, and sockets of its network.

    Attributes:
        folder: holds what another learner handed in, and the grade.
        port: number of a port that is listened to; an abstract socket has it for a name.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        folder.joinpath("grades.json").write_text(json.dumps({"ada": SECRET}))
        folder.joinpath("demo.ipynb").write_bytes(write(make_student_edition(ANSWERS)))
        listener = socket.create_server(("", 0))
        self.port = listener.getsockname()[1]
        abstract = socket.socket(socket.AF_UNIX)
        abstract.bind(f"\0{self.port}")
        abstract.listen()
        self._num_connections = 0
        self._listeners = [listener, abstract]
        for one in self._listeners:
            threading.Thread(target=self._listen, args=[one], daemon=True).start()

    def _listen(self, listener):
        while True:
            try:
                listener.accept()[0].close()
            except OSError:
                return
            self._num_connections += 1

    def state(self) -> tuple[dict[str, str], int]:
        """Digests of the files, and the number of connections that there have been."""
        files = {
            str(path): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in [*self.folder.rglob("*"), Path("/etc/passwd")]
            if path.is_file()
        }
        return files, self._num_connections

    def close(self) -> None:
        """Stop listening."""
        for one in self._listeners:
            one.close()
