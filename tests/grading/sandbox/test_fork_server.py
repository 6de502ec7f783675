"""Kernels that are forked have what their server imported, and nothing else of it."""

import os
import signal
import subprocess
import sys
import textwrap

import nbformat
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jupyter_client.manager import KernelManager
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from course_utils.grading.sandbox import provisioner
from course_utils.grading.sandbox.fork_server import find_imports, start_fork_server

pytestmark = pytest.mark.skipif(
    provisioner.unavailable() is not None, reason=str(provisioner.unavailable())
)


@pytest.fixture(scope="module")
def run():
    """Run code in a new kernel with these variables; what it printed, showed and raised."""
    managers = []

    def run(variables, code):
        managers.append(KernelManager(kernel_name=provisioner.KERNEL_NAME))
        managers[-1].start_kernel(env=os.environ | variables)
        client = managers[-1].client()
        client.start_channels()
        client.wait_for_ready(timeout=60)
        said = []

        def keep(message):
            content = message["content"]
            said.extend(content.get("data", ()))
            said.append(content.get("text", "") + content.get("evalue", ""))

        client.execute_interactive(textwrap.dedent(code), output_hook=keep, timeout=60)
        client.stop_channels()
        return "\n".join(filter(None, said)).strip()

    yield run
    for manager in managers:
        manager.shutdown_kernel(now=True)
    assert all(manager.provisioner.usage.peak_memory for manager in managers)


@pytest.fixture(scope="module")
def variables(tmp_path_factory):
    folder = tmp_path_factory.mktemp("server")
    modules = ["colorsys", "no_such_module", "matplotlib.pyplot"]
    with start_fork_server(modules, folder, variables={"TZ": "UTC-3"}) as variables:
        yield variables
    assert list(folder.iterdir()) == []


def test_the_imports_of_a_notebook_are_found():
    cells = [
        new_markdown_cell("import nothing"),
        new_code_cell("import os.path as path, sys\nfrom course_utils import models, plots"),
        new_code_cell("%matplotlib inline\nimport magic"),
        new_code_cell(
            "def solve():\n    from json import loads\n    from . import near\nimport sys"
        ),
    ]
    assert find_imports(nbformat.writes(new_notebook(cells=cells))) == (
        *("os.path", "sys", "course_utils", "course_utils.models", "course_utils.plots"),
        *("json", "json.loads"),
    )


@given(st.text() | st.recursive(st.none() | st.text(), st.lists).map(repr))
def test_what_is_no_notebook_imports_nothing(text):
    assert find_imports(text) == ()


def test_kernels_have_the_modules_and_their_own_environment(run, variables):
    code = """
        import os, sys
        print("colorsys" in sys.modules, os.environ.get("TZ"), os.environ["COURSE_GRADING_SEED"])
    """
    assert run(variables | {"COURSE_GRADING_SEED": "5"}, code) == "True None 5"
    assert run({"COURSE_GRADING_SEED": "5"}, code) == "False None 5"


def test_what_a_kernel_does_to_a_module_no_other_sees(run, variables):
    code = "import colorsys; print(hasattr(colorsys, 'planted')); colorsys.planted = True"
    assert [run(variables, code) for _ in range(2)] == ["False", "False"]


def test_kernels_draw_different_numbers(run, variables):
    code = "import random, numpy; print(random.random(), numpy.random.rand(), end=' ')"
    drawn = [number for _ in range(2) for number in run(variables, code).split()]
    assert len(set(drawn)) == len(drawn) == 4


def test_kernels_show_figures(run, variables):
    code = "import matplotlib.pyplot as plt; figure = plt.plot([1, 2])"
    assert "image/png" in run(variables, code)


def test_a_missing_module_is_the_kernels_error(run, variables):
    assert run(variables, "import no_such_module") == "No module named 'no_such_module'"


def test_without_the_server_kernels_are_started_as_usual(run, tmp_path):
    with start_fork_server(["colorsys"], tmp_path) as gone:
        assert run(gone, "import sys; print('colorsys' in sys.modules)") == "True"
    assert run(gone, "import sys; print('colorsys' in sys.modules)") == "False"


def test_where_its_socket_cannot_be_it_is_not_started(tmp_path):
    folder = tmp_path / ("long" * 30)
    folder.mkdir()
    with start_fork_server([], folder) as variables:
        assert variables == {}
    assert list(folder.iterdir()) == []


def test_it_ends_with_the_process_that_started_it(tmp_path):
    program = """
        import sys, time
        from pathlib import Path
        from course_utils.grading.sandbox.fork_server import start_fork_server
        with start_fork_server([], Path(sys.argv[1])):
            print("started", flush=True)
            time.sleep(100)
    """
    command = [sys.executable, "-c", textwrap.dedent(program), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout.readline() == "started\n"
        (server,) = psutil.Process(starter.pid).children()
        starter.send_signal(signal.SIGKILL)
    assert psutil.wait_procs([server], timeout=30)[1] == []
