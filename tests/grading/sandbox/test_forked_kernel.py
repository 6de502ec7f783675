"""What a fork server cannot do is an error of whoever asked."""

import os
import socket
import subprocess
import sys

import pytest

from course_utils.grading.sandbox.fork_server import start_fork_server
from course_utils.grading.sandbox.forked_kernel import Order, connect, order_kernel
from course_utils.grading.sandbox.provisioner import FORK_SERVER

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="sandboxes are Linux's")


def test_nobody_to_connect_to_is_none(tmp_path):
    assert connect(str(tmp_path / "none")) is None
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "silent"))
    assert connect(str(tmp_path / "silent")) is None


@pytest.mark.parametrize(
    ("memory", "answer"), [("bytes(9)", b"!"), ("mmap.mmap(-1, 9)", b"")], ids=["own", "shared"]
)
def test_kernels_that_would_share_memory_are_not_forked(tmp_path, memory, answer):
    program = f"""
import mmap, socket, sys
from course_utils.grading.sandbox.forked_kernel import serve
memory = {memory}
serve(socket.socket(fileno=int(sys.argv[1])), [])
"""
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as client:
        listener.bind(str(tmp_path / "server"))
        listener.listen()
        number = listener.fileno()
        command = [sys.executable, "-c", program, str(number)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=[number]) as server:
            listener.close()
            client.connect(str(tmp_path / "server"))
            try:
                assert client.recv(1) == answer
            except ConnectionResetError:
                assert answer == b""
            server.stdin.close()
            assert server.wait(10) == 0


def test_where_there_is_no_sandbox_no_kernel_is_forked(tmp_path):
    order = Order(["-f", "connection.json"], {"LONG": "x" * 100_000}, "/")
    reader, writer = os.pipe()
    here = os.pidfd_open(os.getpid())
    try:
        with start_fork_server([], tmp_path) as variables:
            for _ in range(2):
                connection = connect(variables[FORK_SERVER])
                with connection, pytest.raises(OSError, match="setns: Invalid argument"):
                    order_kernel(connection, order, files=[here, writer, writer])
    finally:
        for file in (reader, writer, here):
            os.close(file)
