"""What the plugin makes of a kernel's messages, which may be anything."""

import json

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jupyter_client.session import Session
from nbval.plugin import coalesce_streams

from course_utils.grading.judge.plugin import (
    CellReport,
    Message,
    kill_group,
    make_output,
    read_message,
    take_message,
)

ANSWERS = "application/x-answers+json"
KEY = b"key"
TEXT = st.text(max_size=5)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda values: st.lists(values, max_size=3) | st.dictionaries(TEXT, values, max_size=3),
    max_leaves=10,
)
TYPES = ["stream", "error", "display_data", "execute_result", "clear_output", "comm_open", "x"]


def pack(session, *, header, parent, content):
    """The frames of a message, signed as the kernel would, who knows the key."""
    parts = [
        part if isinstance(part, bytes) else json.dumps(part).encode()
        for part in (header, parent, {}, content)
    ]
    return [b"topic", b"<IDS|MSG>", session.sign(parts), *parts]


def header(msg_type="stream"):
    return {"msg_id": "1", "msg_type": msg_type, "version": "5.3", "date": "2026-01-01T00:00:00Z"}


def test_a_sound_message_is_read():
    session = Session(key=KEY)
    content = {"name": "stdout", "text": "hello"}
    frames = pack(session, header=header(), parent={"msg_id": "0"}, content=content)
    assert read_message(session, frames) == Message("stream", "0", content)


@pytest.mark.parametrize(
    "frames",
    [
        [],
        [b"topic"],
        [b"<IDS|MSG>"],
        [b"<IDS|MSG>", b"wrong signature", b"{}", b"{}", b"{}", b"{}"],
        [b"<IDS|MSG>", b"", b"{}", b"{}", b"{}", b"{}"],
    ],
)
def test_what_is_no_message_is_passed_over(frames):
    assert read_message(Session(key=KEY), frames) is None


@pytest.mark.parametrize(
    "parts",
    [
        {"header": [], "parent": {"msg_id": "0"}, "content": {}},
        {"header": header(), "parent": {}, "content": {}},
        {"header": header(), "parent": {"msg_id": ["0"]}, "content": {}},
        {"header": header(), "parent": [1], "content": {}},
        {"header": header(7), "parent": {"msg_id": "0"}, "content": {}},
        {"header": header() | {"version": "many"}, "parent": {"msg_id": "0"}, "content": {}},
        {"header": header(), "parent": {"msg_id": "0"}, "content": "text"},
        {"header": header(), "parent": {"msg_id": "0"}, "content": b"[" * 200_000},
        {"header": header(), "parent": {"msg_id": "0"}, "content": b"9" * 5000},
        {"header": b"[" * 50_000, "parent": {"msg_id": "0"}, "content": {}},
    ],
)
def test_a_message_of_wrong_types_is_passed_over(parts):
    session = Session(key=KEY)
    assert read_message(session, pack(session, **parts)) is None


def test_a_message_counts_only_once():
    session = Session(key=KEY)
    frames = pack(session, header=header(), parent={"msg_id": "0"}, content={})
    assert read_message(session, frames) is not None
    assert read_message(session, frames) is None


@given(header=JSON, parent=JSON, content=JSON)
def test_any_message_is_read_or_passed_over(header, parent, content):
    session = Session(key=KEY)
    message = read_message(session, pack(session, header=header, parent=parent, content=content))
    assert message is None or isinstance(message, Message)


def take(*messages):
    report = CellReport()
    for message_type, content in messages:
        take_message(Message(message_type, "0", content), report, mime_type=ANSWERS)
    return report


def test_answers_are_kept_apart_from_the_outputs():
    report = take(
        ("display_data", {"data": {ANSWERS: {"a": 1}, "text/plain": "seen"}, "metadata": {}}),
        ("display_data", {"data": {ANSWERS: [1]}}),
    )
    assert report.emissions == ['{"a": 1}', "[1]"]
    assert [output.data for output in report.outputs] == [{"text/plain": "seen"}]


@pytest.mark.parametrize(
    "message_type", ["execute_result", "update_display_data", "stream", "error", "comm_msg"]
)
def test_only_display_data_hold_answers(message_type):
    assert take((message_type, {"data": {ANSWERS: {"a": 1}}})).emissions == []


def test_answers_that_are_no_json_still_count_as_published():
    nested = []
    for _ in range(100_000):
        nested = [nested]
    assert take(("display_data", {"data": {ANSWERS: nested}})).emissions == [""]


def test_outputs_are_cleared_but_not_the_answers():
    report = take(
        ("display_data", {"data": {ANSWERS: 1}}),
        ("stream", {"name": "stdout", "text": "gone"}),
        ("clear_output", {"wait": False}),
    )
    assert (report.emissions, report.outputs) == (["1"], [])


@given(
    st.lists(
        st.tuples(
            st.sampled_from(TYPES),
            st.fixed_dictionaries(
                {},
                optional={
                    "name": st.sampled_from(["stdout", "stderr"]) | JSON,
                    "text": JSON,
                    "data": st.dictionaries(st.sampled_from([ANSWERS, "text/html"]), JSON) | JSON,
                    "ename": JSON,
                    "evalue": JSON,
                    "traceback": st.lists(TEXT, max_size=2) | JSON,
                    "metadata": JSON,
                },
            ),
        ),
        max_size=5,
    )
)
def test_outputs_of_any_messages_make_a_sound_notebook(messages):
    report = take(*messages)
    cell = nbformat.v4.new_code_cell(outputs=coalesce_streams(report.outputs))
    nbformat.validate(nbformat.v4.new_notebook(cells=[cell]))
    assert all(isinstance(text, str) for text in report.emissions)


def test_what_only_a_program_could_show_is_left_out():
    content = {"data": {"application/json": {"a": 1}, "image/png": "cGl4"}, "metadata": {"a": 1}}
    output = make_output(Message("display_data", "0", content))
    assert output == {
        "output_type": "display_data",
        "data": {"image/png": "cGl4"},
        "metadata": {},
    }


@pytest.mark.parametrize("group", [None, 0, 1, 2**22 + 1])
def test_no_group_is_no_harm(group):
    kill_group(group)
