"""The layout of the package: who imports whom, and how much lies in one folder.

Imports inside functions and for type checkers count, too.
"""

import ast
from collections import defaultdict
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "course_utils"
MAX_FILES = 20
# From the ground floor up; a room imports only from those below it, and from itself.
FLOORS = (
    {
        *("files", "formats", "hardware", "notebooks", "processes"),
        *("backend", "console", "looks", "progress"),
    },
    {"datasets"},
    {"layers", "augmentation"},
    {"classifiers", "models"},
    {"checkpoints"},
    {"training"},
    {"evaluation"},
    {"labs", "plots"},
    {"execution"},
    {"exercises", "claims", "environment"},
    {"bench"},
    {"grading"},
    {"cli"},
    {"__main__"},
)


def read_imports(package):
    """For each module of a package the modules of the package that it imports."""
    names = {}
    for path in package.rglob("*.py"):
        words = [package.name, *path.relative_to(package).with_suffix("").parts]
        names[".".join(words).removesuffix(".__init__")] = path
    imports = defaultdict(set)
    for name, path in names.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imports[name] |= {one.name for one in node.names if one.name in names}
            elif isinstance(node, ast.ImportFrom) and node.module in names:
                assert node.level == 0, f"{name} has a relative import"
                for one in node.names:
                    full = f"{node.module}.{one.name}"
                    imports[name].add(full if full in names else node.module)
    return {name: imports[name] - {name} for name in names}


def find_circle(imports):
    """A list of modules each of which imports the next, the last being the first; or None."""
    done = set()

    def visit(name, path):
        if name in path:
            return [*path[path.index(name) :], name]
        if name not in done:
            for other in sorted(imports[name]):
                if circle := visit(other, [*path, name]):
                    return circle
            done.add(name)
        return None

    return next((circle for name in sorted(imports) if (circle := visit(name, []))), None)


def find_against_the_stream(imports, floors=FLOORS):
    """The imports that lead up, or to a neighbour on the same floor."""
    height = {room: number for number, rooms in enumerate(floors) for room in rooms}
    wrong = []
    for name, others in imports.items():
        for other in others:
            one, two = ([*full.split("."), ""][1] for full in (name, other))
            if one and two and one != two and height[two] >= height[one]:
                wrong.append(f"{name} imports {other}")
    return sorted(wrong)


def find_full_folders(package):
    sizes = {
        folder: sum(path.suffix == ".py" and path.name != "__init__.py" for path in files)
        for folder in [package, *(one for one in package.rglob("*") if one.is_dir())]
        if (files := [path for path in folder.iterdir() if path.is_file()]) is not None
    }
    return [str(folder) for folder, size in sizes.items() if size > MAX_FILES]


@pytest.fixture
def write(tmp_path):
    def write_modules(**sources):
        for name, source in sources.items():
            path = tmp_path / "package" / f"{name.replace('__', '/')}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(source)
        (tmp_path / "package" / "__init__.py").touch()
        return tmp_path / "package"

    return write_modules


def test_no_two_files_import_each_other():
    assert find_circle(read_imports(PACKAGE)) is None


def test_imports_go_with_the_stream():
    assert find_against_the_stream(read_imports(PACKAGE)) == []


def test_grading_is_imported_by_nothing_but_the_command_line():
    importers = {
        name
        for name, others in read_imports(PACKAGE).items()
        if any(other.startswith("course_utils.grading") for other in others)
    }
    assert {name for name in importers if not name.startswith("course_utils.grading")} == {
        "course_utils.cli"
    }


def test_no_folder_is_too_full():
    assert find_full_folders(PACKAGE) == []


@pytest.mark.parametrize(
    "back", ["import package.a", "from package import a", "def f():\n    from package.a import x"]
)
def test_a_circle_is_found_wherever_the_import_stands(write, back):
    package = write(a="from package.b import y", b="from package.c import z", c=back, d="")
    circle = ["package.a", "package.b", "package.c", "package.a"]
    assert find_circle(read_imports(package)) == circle


def test_imports_against_the_stream_are_found(write):
    package = write(low__one="import package.high", high="", low__two="import package.low.one")
    found = find_against_the_stream(read_imports(package), [{"low"}, {"high"}])
    assert found == ["package.low.one imports package.high"]
    assert not find_against_the_stream(read_imports(package), [{"high"}, {"low"}])


def test_a_full_folder_is_found(write):
    package = write(**{f"room__m{number}": "" for number in range(MAX_FILES + 1)})
    assert find_full_folders(package) == [str(package / "room")]
