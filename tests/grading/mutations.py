"""What may happen to a notebook until it is graded, as hypothesis strategies.

A notebook is the dictionary that its file holds. A step is a function that changes a notebook, and
its arguments; a damage is one that changes the bytes of a file.
"""

import copy
import json

from hypothesis import strategies as st

PLACES = st.integers(0, 99)  # of cells, counted round and round
TAGS = st.sampled_from(["parameters", "skip-execution", "nbval-skip", "raises-exception"])
FLAGS = st.sampled_from(["grade", "locked", "solution", "task", "points", "schema_version"])
FIELDS = st.sampled_from(["cell_type", "source", "metadata", "id", "outputs", "execution_count"])
TOP_FIELDS = st.sampled_from(["cells", "metadata", "nbformat", "nbformat_minor"])
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.sampled_from(["\0", "\ud800", "DEEP", [], {}, [[1], {"a": []}], 10**400]),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)
DEPTHS = st.sampled_from([3, 900, 10**5])


def nest(text, depth):
    return text * depth + {"[": "]", "(": ")", '{"a":': "}"}[text] * depth


def at(notebook, place):
    return notebook["cells"][place % len(notebook["cells"])]


def move(notebook, start, end):
    cells = notebook["cells"]
    cell = cells.pop(start % len(cells))
    cells.insert(end % (len(cells) + 1), cell)


def duplicate(notebook, start, end):
    cells = notebook["cells"]
    cells.insert(end % (len(cells) + 1), copy.deepcopy(at(notebook, start)))


def delete(notebook, place):
    if len(notebook["cells"]) > 1:
        notebook["cells"].remove(at(notebook, place))


def change_tags(notebook, place, tags):
    at(notebook, place)["metadata"] |= {"tags": tags}


def change_flag(notebook, place, flag, value):
    at(notebook, place)["metadata"].setdefault("nbgrader", {})[flag] = value


def change_type(notebook, place, kind):
    at(notebook, place)["cell_type"] = kind


def lose_metadata(notebook, place):
    at(notebook, place)["metadata"] = {}


def lose_ids(notebook, minor):
    notebook["nbformat_minor"] = minor
    for cell in notebook["cells"]:
        cell.pop("id", None)


def change_grade_id(notebook, place, name):
    at(notebook, place)["metadata"].setdefault("nbgrader", {})["grade_id"] = name


def take_grade_id(notebook, place, other):
    change_grade_id(notebook, place, at(notebook, other)["metadata"]["nbgrader"]["grade_id"])


def change_source(notebook, place, source):
    at(notebook, place)["source"] = source


def change_field(notebook, place, name, value):
    at(notebook, place)[name] = value


def change_top(notebook, name, value):
    notebook[name] = value


def step(function, *strategies):
    return st.tuples(st.just(function), *strategies)


# What leaves every answer recognisable.
HARMLESS = st.one_of(
    step(move, PLACES, PLACES),
    step(change_tags, PLACES, st.lists(TAGS, max_size=2)),
    step(change_flag, PLACES, FLAGS, st.one_of(st.booleans(), st.integers(0, 9))),
    step(change_type, PLACES, st.sampled_from(["code", "markdown", "raw"])),
    step(lose_metadata, PLACES),
)
REORDERING = st.one_of(
    step(move, PLACES, PLACES), step(delete, PLACES), step(duplicate, PLACES, PLACES)
)
RETAGGING = st.one_of(
    HARMLESS,
    step(lose_ids, st.integers(0, 4)),
    step(change_grade_id, PLACES, st.sampled_from(["", " ", "other"])),
    step(take_grade_id, PLACES, PLACES),
)
WRONG_TYPES = st.one_of(
    step(change_source, PLACES, ODD),
    step(change_field, PLACES, FIELDS, ODD),
    step(change_top, TOP_FIELDS, ODD),
)
HARMFUL = st.one_of(
    REORDERING,
    RETAGGING,
    WRONG_TYPES,
    step(change_source, PLACES, st.one_of(st.text(), st.just("def step(a):\n  return 1"))),
)


def mutate(original, steps):
    notebook = copy.deepcopy(original)
    for function, *arguments in steps:
        try:
            function(notebook, *arguments)
        except (TypeError, KeyError, AttributeError, ZeroDivisionError):
            continue  # an earlier step left nothing that this one could change
    return notebook


def truncate(content, place, _):
    return content[: place % len(content)]


def insert(content, place, added):
    return content[: place % len(content)] + added + content[place % len(content) :]


def overwrite(content, place, added):
    return content[: place % len(content)] + added + content[place % len(content) + len(added) :]


def damage_with(functions, added):
    return st.tuples(st.sampled_from(functions), st.integers(0, 10**6), added)


DAMAGE = damage_with(
    [truncate, insert, overwrite],
    st.one_of(st.binary(max_size=8), st.sampled_from([b"\0", b"\xff\xfe", b"[" * 2000, b'"'])),
)


def write(notebook, *, depth, damage=()):
    """The bytes of a notebook's file, in which DEEP is so many lists in each other, damaged."""
    content = json.dumps(notebook).replace('"DEEP"', nest("[", depth)).encode()
    for function, *arguments in damage:
        content = function(content, *arguments) if content else content
    return content
