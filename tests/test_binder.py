"""What repo2docker does with the files in binder/, step by step, in a clean environment.

The steps are those of its Python build pack: install requirements.txt from the repository's root,
run postBuild, and start each session through `start`. The container around them is left out.
"""

import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests

ROOT = Path(__file__).parents[1]
FIRST_LESSON = "my-lessons/01_data_loading.ipynb"
THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)
NOWHERE = "http://127.0.0.1:9"


def run(command, *, cwd, environment):
    return subprocess.run(
        command,
        cwd=cwd,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def require_a_package_registry(folder):
    """Skip when small packages that the build needs can't be fetched; a partial mirror won't do."""
    probe = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-cache-dir"]
    probe += ["--timeout", "5", "--retries", "0", "--dest", str(folder)]
    probe += ["hatchling", "papermill", "nbclient"]
    if run(probe, cwd=folder, environment=dict(os.environ)).returncode != 0:
        pytest.skip("no package registry can be reached, so no clean environment can be made")


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    """A built repository: its folder and the environment variables of a session in it."""
    folder = tmp_path_factory.mktemp("binder")
    require_a_package_registry(folder)
    repository, home, venv = folder / "repository", folder / "home", folder / "venv"
    home.mkdir()
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    for name in filter(None, os.fsdecode(listed.stdout).split("\0")):
        if (ROOT / name).is_file():
            (repository / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, repository / name)
    environment = os.environ | {"PATH": f"{venv / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    for name in ("PYTHONPATH", "VIRTUAL_ENV", *THREADS):
        environment.pop(name, None)

    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    pip = [str(venv / "bin" / "pip"), "install", "--quiet", "-r", "binder/requirements.txt"]
    # What isn't compiled now is compiled when it is imported: most of it never is.
    installed = run([*pip, "--no-compile"], cwd=repository, environment=environment)
    assert installed.returncode == 0, installed.stdout

    yield repository, environment | {"HOME": str(home)}
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def post_build(session):
    """What postBuild said, with no way out to the network."""
    repository, environment = session
    unreachable = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), NOWHERE)
    result = run(["./binder/postBuild"], cwd=repository, environment=environment | unreachable)
    assert result.returncode == 0, result.stdout
    return result.stdout


@pytest.fixture
def server(session, post_build):
    """The address and token of a JupyterLab that was started the way a session is."""
    repository, environment = session
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = secrets.token_hex(16)
    command = ["./binder/start", "jupyter", "lab", "--no-browser", "--allow-root", "--ip=127.0.0.1"]
    command += [f"--port={port}", f"--IdentityProvider.token={token}"]
    process = subprocess.Popen(command, cwd=repository, env=environment)
    try:
        wait_until_it_answers(f"http://127.0.0.1:{port}/api", process)
        yield f"http://127.0.0.1:{port}", {"Authorization": f"token {token}"}
    finally:
        process.terminate()
        process.wait(timeout=30)


def wait_until_it_answers(url, process, patience=120):
    for _ in range(patience * 4):
        assert process.poll() is None, "the server ended before it answered"
        try:
            requests.get(url, timeout=5).raise_for_status()
            return
        except requests.RequestException:
            time.sleep(0.25)
    raise AssertionError(f"{url} did not answer in {patience} s")


def test_the_build_goes_on_without_the_photographs(post_build):
    assert "CIFAR-10 is out of reach" in post_build


def test_the_learners_copies_of_the_lessons_are_there(session, post_build):
    repository, _ = session
    lessons = {path.name for path in (repository / "notebooks").glob("*.ipynb")}
    assert lessons
    assert lessons <= {path.name for path in (repository / "my-lessons").glob("*.ipynb")}


def test_a_session_lands_on_the_first_lesson(server):
    address, token = server
    landing = requests.get(address, headers=token, timeout=30)
    assert landing.status_code == requests.codes.ok
    assert landing.url.endswith(f"/lab/tree/{FIRST_LESSON}")
    lesson = requests.get(f"{address}/api/contents/{FIRST_LESSON}", headers=token, timeout=30)
    assert lesson.json()["type"] == "notebook"


def test_a_session_computes_on_one_core(session):
    repository, environment = session
    show = [sys.executable, "-c", "import json, os; print(json.dumps(dict(os.environ)))"]
    result = run(["./binder/start", *show], cwd=repository, environment=environment)
    assert {name: json.loads(result.stdout).get(name) for name in THREADS} == dict.fromkeys(
        THREADS, "1"
    )


def test_tensorflow_is_the_small_build(session):
    repository, environment = session
    installed = run(
        ["pip", "list", "--format=freeze"], cwd=repository, environment=environment
    ).stdout
    names = set(re.findall(r"^([\w-]+)==", installed, re.MULTILINE))
    assert {"tensorflow_cpu", "tensorflow-cpu"} & names
    assert not [name for name in names if name.startswith("nvidia")]


def test_the_python_version_is_one_that_the_project_supports():
    runtime = (ROOT / "binder" / "runtime.txt").read_text(encoding="utf-8").strip()
    assert runtime in {"python-3.11", "python-3.12", "python-3.13"}
