"""The project's own files say what is true, and `make` does what the README promises."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
MAX_README_LINES = 120
PAGES = ("README.md", "CONTRIBUTING.md", "docs/grading.md")


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


def tracked_files():
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("which files are tracked is known only in a git checkout")
    listed = subprocess.run([git, "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    paths = [ROOT / os.fsdecode(name) for name in listed.stdout.split(b"\0") if name]
    return [path for path in paths if path.is_file()]


def make_targets():
    return set(re.findall(r"^([a-z]+):", read("Makefile"), re.MULTILINE))


# --- README and the files beside it


def test_the_readme_is_short():
    assert 0 < len(read("README.md").splitlines()) < MAX_README_LINES


@pytest.mark.parametrize("name", PAGES)
def test_commands_that_are_told_exist(name):
    from course_utils.cli import app

    commands = {
        command.name or command.callback.__name__
        for command in app.registered_commands
        if command.callback
    }
    told = re.findall(
        r"(?:^|`|/bin/)(make|course) ([a-z]+(?:-[a-z]+)*)\b", read(name), re.MULTILINE
    )
    assert {target for program, target in told if program == "make"} <= make_targets()
    assert {command for program, command in told if program == "course"} <= commands


@pytest.mark.parametrize("name", PAGES)
def test_links_to_files_lead_somewhere(name):
    text = re.sub(r"<!--.*?-->|`[^`]*`", "", read(name), flags=re.DOTALL)
    links = re.findall(r"\]\((?!\w+:|#)([^)#\s]+)", text)
    assert links
    assert not [link for link in links if not (ROOT / name).parent.joinpath(link).exists()]


def test_continuous_integration_runs_what_a_contributor_runs():
    assert re.search(r"^make lint\n^make test$", read(".ci/run"), re.MULTILINE)
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    assert "run: .ci/run" in read(".github/workflows/test.yml")


def test_nothing_tracked_names_this_machine_or_a_package_registry():
    forbidden = re.compile(
        rb"(?<![\w.~-])/(?:work|root|home)/\w|pypi\.org|pythonhosted\.org|anaconda\.org"
    )
    found = {
        str(path.relative_to(ROOT)): match[0].decode()
        for path in tracked_files()
        if (match := forbidden.search(path.read_bytes()))
    }
    assert not found


# Modules that are tested through what they are for, and where.
TESTED_THROUGH = {
    "__main__.py": "test_cli.py",
    "console.py": "test_cli.py",
    "bench/commands.py": "test_cli.py",
    "bench/race_display.py": "bench/test_race.py",
    "bench/worker.py": "bench/test_race.py",
    "grading/batch/plan.py": "grading/batch/test_grade.py",
    "grading/batch/tasks.py": "grading/test_attacks.py",
    "grading/batch/workers.py": "grading/batch/test_grade.py",
    "grading/judge/scoring.py": "grading/judge/test_running.py",
    "grading/pages/html.py": "grading/pages/test_feedback.py",
    "grading/sandbox/guard.py": "grading/sandbox/test_provisioner.py",
    "execution/store.py": "execution/test_runs.py",
    "execution/run_display.py": "test_cli.py",
    "execution/worker.py": "execution/test_runs.py",
    "exercises/probing.py": "exercises/test_probes.py",
    "exercises/publishing.py": "grading/judge/test_scoring.py",
    "grading/judge/outputs.py": "grading/judge/test_scoring.py",
    "grading/intake/cells.py": "grading/intake/test_repair.py",
    "grading/intake/matching.py": "grading/intake/test_repair.py",
    "looks.py": "test_plots.py",
    "exercises/expectations.py": "exercises/test_checks.py",
    "exercises/lesson_01.py": "exercises/test_checks.py",
    "exercises/lesson_02.py": "exercises/test_checks.py",
    "exercises/lesson_03.py": "exercises/test_checks.py",
    "exercises/lesson_03_clinic.py": "exercises/test_graded.py",
    "exercises/lesson_03_keras.py": "exercises/test_graded.py",
    "exercises/lesson_04.py": "exercises/test_checks.py",
    "exercises/lesson_04_audits.py": "exercises/test_checks.py",
    "exercises/lesson_04_remedies.py": "exercises/test_checks.py",
    "exercises/lesson_04_verdict.py": "exercises/test_checks.py",
    "exercises/lesson_05_privacy.py": "exercises/test_checks.py",
    "exercises/lesson_05_provenance.py": "exercises/test_checks.py",
}


def test_every_module_has_its_test():
    package, tests = ROOT / "course_utils", ROOT / "tests"
    untested = []
    for module in sorted(package.rglob("*.py")):
        name = module.relative_to(package)
        places = [
            tests / name.parent / f"test_{name.stem}.py",
            tests / name.parent.parent / f"test_{name.parent.name}.py",
        ]
        if through := TESTED_THROUGH.get(name.as_posix()):
            places.append(tests / through)
        if name.name != "__init__.py" and not any(place.exists() for place in places):
            untested.append(str(name))
    assert not untested


# --- constraints.txt


def constraints():
    lines = (line.split("#")[0].strip() for line in read("constraints.txt").splitlines())
    return [Requirement(line) for line in lines if line]


def direct_dependencies():
    project = tomllib.loads(read("pyproject.toml"))["project"]
    extras = project["optional-dependencies"].values()
    return [Requirement(text) for group in [project["dependencies"], *extras] for text in group]


def test_constraints_are_plain_versions():
    assert constraints()
    for pin in constraints():
        assert pin.url is None, pin
        assert re.fullmatch(r"==[\w.+!]+", str(pin.specifier)), pin
    assert not re.search(r"://|--|\bfile:", read("constraints.txt"))


def test_constraints_cover_what_the_project_asks_for():
    pins = {canonicalize_name(pin.name): pin for pin in constraints()}
    for dependency in direct_dependencies():
        if dependency.name == "pixels-and-people":
            continue  # one extra takes in another
        pin = pins.get(canonicalize_name(dependency.name))
        assert pin is not None, f"{dependency.name} has no version in constraints.txt"
        version = str(pin.specifier).removeprefix("==")
        assert dependency.specifier.contains(version), f"{pin} is not {dependency}"


# --- Makefile


@pytest.fixture
def checkout(tmp_path):
    """A folder with what `make` looks at, and no .venv."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def make(folder, *arguments):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(
        ["make", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def stamp(checkout):
    """Pretend that everything has been installed."""
    for name in (".created", ".installed", ".installed-test"):
        (checkout / ".venv").mkdir(exist_ok=True)
        (checkout / ".venv" / name).touch()


def test_make_lists_its_targets(checkout):
    result = make(checkout)
    assert result.returncode == 0
    told = set(re.findall(r"^make ([a-z]+) +\S", result.stdout, re.MULTILINE))
    assert told == make_targets()


@pytest.mark.parametrize("target", ["run", "lab", "test", "lint"])
def test_make_installs_only_what_the_target_needs(checkout, target):
    plan = make(checkout, "--dry-run", target).stdout
    assert "-m venv .venv" in plan
    assert "-c constraints.txt --editable .\n" in plan
    assert ("[test]" in plan) == (target in {"test", "lint"})


@pytest.mark.parametrize("target", ["run", "lab", "test", "lint"])
def test_make_installs_nothing_twice(checkout, target):
    stamp(checkout)
    plan = make(checkout, "--dry-run", target).stdout
    assert plan
    assert "pip" not in plan
    assert "venv " not in plan


@pytest.mark.parametrize("changed", ["pyproject.toml", "constraints.txt"])
def test_make_installs_again_when_the_dependencies_change(checkout, changed):
    stamp(checkout)
    later = (checkout / ".venv" / ".installed-test").stat().st_mtime + 1
    os.utime(checkout / changed, (later, later))
    plan = make(checkout, "--dry-run", "test").stdout
    assert "--editable ." in plan
    assert "[test]" in plan
    assert "-m venv" not in plan


def test_make_can_install_the_newest_versions(checkout):
    plan = make(checkout, "--dry-run", "test", "CONSTRAINTS=").stdout
    assert "--editable ." in plan
    assert "constraints.txt" not in plan


@pytest.mark.parametrize("python", ["no-such-python", "false"])
def test_make_says_which_python_it_needs(checkout, python):
    result = make(checkout, ".venv/.created", f"PYTHON={python}")
    assert result.returncode != 0
    assert "3.11" in result.stderr
    assert "PYTHON=" in result.stderr
    assert not (checkout / ".venv").exists()


def test_make_repairs_an_environment_that_was_cut_short(checkout):
    packages = checkout / ".venv" / "lib" / f"python3.{sys.version_info[1]}" / "site-packages"
    for name in ("whole-1.0.dist-info", "pip-99.0.dist-info"):
        (packages / name).mkdir(parents=True)
        (packages / name / "METADATA").write_text(
            "Name: " + name.split("-")[0] + "\nVersion: 1.0\n"
        )
    (packages / "whole-1.0.dist-info" / "INSTALLER").write_text("pip\n")

    result = make(checkout, ".venv/.created", f"PYTHON={sys.executable}")

    assert result.returncode == 0, result.stderr
    assert (packages / "whole-1.0.dist-info").exists()
    assert not (packages / "pip-99.0.dist-info").exists()
    pip = [checkout / ".venv" / "bin" / "python", "-m", "pip", "--version"]
    assert subprocess.run(pip, capture_output=True, check=False).returncode == 0
