import errno
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from course_utils import files
from course_utils.files import LEDGER, FilesError, check_own, first_file, write_own

MAKER = "course try"


def contents_of(folder):
    """What a person sees in a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name[0] != "."}


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


# --- one file


def test_a_file_is_written_with_its_folder_and_replaced_as_a_whole(tmp_path):
    path = tmp_path / "new" / "a.txt"
    files.write_text(path, "first \ud800")
    assert path.read_text() == "first ?"
    files.write_bytes(path, b"second")
    assert path.read_bytes() == b"second"
    assert names_in(path.parent) == ["a.txt"]


def test_an_error_while_writing_leaves_the_older_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "state.npz"
    path.write_text("older")

    def fill_the_disk(self, content):
        self.write_text("half of the new")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fill_the_disk)
    with pytest.raises(OSError, match="No space left"):
        files.write_bytes(path, b"new")
    monkeypatch.undo()
    assert contents_of(tmp_path) == {"state.npz": b"older"}
    assert len(names_in(tmp_path)) == 1


def test_a_name_as_long_as_the_file_system_allows_can_be_written(tmp_path):
    path = tmp_path / ("ä" * 127)
    files.write_text(path, "there")
    assert path.read_text() == "there"


# --- never over a stranger's file


def test_own_files_are_replaced_as_long_as_nobody_changed_them(tmp_path):
    write_own(tmp_path, {"a.csv": "1", "a.html": b"one"}, maker=MAKER)
    write_own(tmp_path, {"a.csv": "2"}, maker=MAKER)
    assert contents_of(tmp_path) == {"a.csv": b"2", "a.html": b"one"}


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: path.write_text("mine"), "was not made by `course try`"),
        (lambda path: path.symlink_to("/nowhere"), "was not made by `course try`"),
        (lambda path: path.mkdir(), "is a folder"),
        (
            lambda path: (
                write_own(path.parent, {path.name: "x"}, maker=MAKER),
                path.write_text("x and mine"),
            ),
            "has been changed since",
        ),
        (
            lambda path: write_own(path.parent, {path.name: "x"}, maker="course other"),
            "was made by `course other`",
        ),
    ],
    ids=["a file", "a link", "a folder", "an own one that was changed", "another command's"],
)
def test_whatever_the_command_did_not_make_stays_and_nothing_is_written(tmp_path, make, reason):
    make(tmp_path / "b.csv")
    before = {name: os.lstat(tmp_path / name) for name in names_in(tmp_path)}
    with pytest.raises(FilesError, match=reason) as caught:
        write_own(tmp_path, {"a.csv": "1", "b.csv": "2"}, maker=MAKER)
    assert str(tmp_path / "b.csv") in str(caught.value)
    assert {name: os.lstat(tmp_path / name) for name in names_in(tmp_path)} == before


def test_force_replaces_a_file_and_a_link_but_not_what_the_link_leads_to(tmp_path):
    (tmp_path / "elsewhere").write_text("somebody's")
    (tmp_path / "link").symlink_to("elsewhere")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(FilesError, match=r"or use --force$"):
        write_own(tmp_path, {"link": "new", "file": "new"}, maker=MAKER, force=False)
    write_own(tmp_path, {"link": "new", "file": "new"}, maker=MAKER, force=True)
    assert contents_of(tmp_path) == {"elsewhere": b"somebody's", "link": b"new", "file": b"new"}


def test_a_file_that_already_has_the_content_is_not_in_the_way(tmp_path):
    (tmp_path / "a").write_text("same")
    write_own(tmp_path, {"a": "same"}, maker=MAKER)
    write_own(tmp_path, {"a": "other"}, maker=MAKER)
    assert contents_of(tmp_path) == {"a": b"other"}


@pytest.mark.parametrize(
    "text", ["", "[]", '{"a": 1}', "\xff", '{"a": {"sha256": "x"}}', "[" * 9999]
)
def test_a_damaged_ledger_makes_no_file_an_own_one(tmp_path, text):
    write_own(tmp_path, {"a": "1"}, maker=MAKER)
    (tmp_path / LEDGER).write_text(text, encoding="latin-1")
    with pytest.raises(FilesError, match="was not made by"):
        write_own(tmp_path, {"a": "2"}, maker=MAKER)


@pytest.mark.parametrize("text", ["mine", "{", '{"a": 1}', "[]"])
def test_a_file_that_only_has_the_ledgers_name_is_not_written_over(tmp_path, text):
    (tmp_path / LEDGER).write_text(text)
    for write in (
        lambda: write_own(tmp_path, {"a": "1"}, maker=MAKER),
        lambda: check_own(tmp_path, ["a"], maker=MAKER),
    ):
        with pytest.raises(FilesError, match=r"keeps its list of files there, and this isn't one"):
            write()
    assert [path.read_text() for path in tmp_path.iterdir()] == [text]
    write_own(tmp_path, {"a": "1"}, maker=MAKER, force=True)
    assert contents_of(tmp_path) == {"a": b"1"}


def test_a_folder_that_only_resembles_an_unfinished_one_stays(tmp_path):
    mine = tmp_path / ".course-unfinished-mine"
    mine.mkdir()
    (mine / "a").write_text("mine")
    assert first_file(tmp_path) == mine
    write_own(tmp_path, {"a": "1"}, maker=MAKER)
    assert (mine / "a").read_text() == "mine"


def test_files_are_removed_in_the_same_step_unless_they_were_changed(tmp_path):
    write_own(tmp_path, {"a": "1", "log": "long"}, maker=MAKER)
    write_own(tmp_path, {"a": "2"}, maker=MAKER, remove=["log", "never there"])
    assert contents_of(tmp_path) == {"a": b"2"}
    (tmp_path / "log").write_text("mine")
    with pytest.raises(FilesError, match="was not made by"):
        write_own(tmp_path, {"a": "3"}, maker=MAKER, remove=["log"])
    assert contents_of(tmp_path) == {"a": b"2", "log": b"mine"}


def test_a_file_of_the_name_of_the_folder_is_named(tmp_path):
    (tmp_path / "file").write_text("mine")
    for folder in (tmp_path / "file", tmp_path / "file" / "below" / "it"):
        with pytest.raises(FilesError, match=r"file is a file, and a folder is needed"):
            write_own(folder, {"a": "1"}, maker=MAKER)


# --- one step


def test_a_folder_that_another_process_writes_to_is_refused_or_waited_for(tmp_path):
    holder = subprocess.Popen(
        [
            *(sys.executable, "-c"),
            "import sys, pathlib, time; from course_utils.files import locked\n"
            "with locked(pathlib.Path(sys.argv[1])): print('held', flush=True); time.sleep(30)",
            str(tmp_path),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(FilesError, match="another command is writing"), files.locked(tmp_path):
            pass
    finally:
        holder.kill()
        holder.wait()
    with files.locked(tmp_path):
        write_own(tmp_path, {"a": "1"}, maker=MAKER)  # the same process goes on
    assert names_in(tmp_path) == sorted(["a", LEDGER])


OLD = {"a": b"old a", "b": b"old b", "gone": b"old c"}
NEW = {"a": b"new a", "b": b"new b" * 1000, "c": b"new d"}


class Killed(BaseException):
    """Stands for the end of the process: no handler may do anything more."""


def system_calls(folder, kill_at):
    """Let the process "die" at one of the calls that change the folder; count them."""
    count = 0

    def wrap(real):
        def call(*arguments, **options):
            nonlocal count
            count += 1
            if count > kill_at:
                raise Killed
            return real(*arguments, **options)

        return call

    names = ["mkdir", "write_bytes", "rename", "replace", "unlink", "rmdir"]
    patches = [patch.object(Path, name, wrap(getattr(Path, name))) for name in names]
    patches.append(patch.object(files.shutil, "rmtree", wrap(files.shutil.rmtree)))
    patches.append(patch.object(files.tempfile, "mkdtemp", wrap(files.tempfile.mkdtemp)))
    return patches


@given(kill_at=st.integers(0, 16))
@example(kill_at=16)
@settings(deadline=None, max_examples=30)
def test_wherever_the_process_dies_the_next_one_finds_the_old_or_the_new_whole(
    tmp_path_factory, kill_at
):
    folder = tmp_path_factory.mktemp("folder")
    write_own(folder, OLD, maker=MAKER)
    patches = system_calls(folder, kill_at)
    for one in patches:
        one.start()
    try:
        with suppress(Killed):
            write_own(folder, NEW, maker=MAKER, remove=["gone"])
    finally:
        for one in patches:
            one.stop()
    files.finish(folder)
    assert contents_of(folder) in (OLD, NEW)
    ledger = files.read_ledger(folder)
    assert ledger.keys() == contents_of(folder).keys()
    write_own(folder, NEW, maker=MAKER, remove=["gone"])  # and can go on
    assert contents_of(folder) == NEW
    assert names_in(folder) == sorted([*NEW, LEDGER])


KEEP_WRITING = """
import pathlib, sys
from course_utils.files import write_own, write_bytes
folder = pathlib.Path(sys.argv[1])
print("ready", flush=True)
number = 0
while True:
    number += 1
    text = str(number) * 20_000
    write_own(folder, {"a": text, "b": text, "c": text}, maker="course try")
    write_bytes(folder / "d", text.encode())
"""


@given(
    delay=st.floats(0, 0.2), stop=st.sampled_from([signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
)
@settings(deadline=None, max_examples=20)
def test_a_real_process_that_is_stopped_leaves_whole_files_of_one_step(
    tmp_path_factory, delay, stop
):
    folder = tmp_path_factory.mktemp("folder")
    process = subprocess.Popen(
        [sys.executable, "-c", KEEP_WRITING, str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    time.sleep(delay)
    process.send_signal(stop)
    process.wait()
    process.stdout.close()
    files.finish(folder)
    found = contents_of(folder)
    steps = {found.get(name) for name in "abc"}
    assert len(steps) == 1
    for text in found.values():
        number = text[: len(text) // 20_000]
        assert text == number * 20_000


def test_a_full_disk_leaves_the_older_files_whole(small_disk):
    write_own(small_disk, {"a": "old" * 10_000, "b": "old"}, maker=MAKER)
    files.write_text(small_disk / "c", "old" * 10_000)
    before = contents_of(small_disk)
    for size in range(100_000, 500_000, 20_000):
        new = b"x" * size
        try:
            write_own(small_disk, {"a": new, "b": new}, maker=MAKER)
        except OSError as error:
            assert error.errno == errno.ENOSPC
            assert contents_of(small_disk) == before
        else:
            before |= {"a": new, "b": new}
        try:
            files.write_bytes(small_disk / "c", new)
        except OSError as error:
            assert error.errno == errno.ENOSPC
        else:
            before["c"] = new
        assert contents_of(small_disk) == before
    assert {len(one) for one in before.values()} != {500_000}
    assert names_in(small_disk) == sorted(["a", "b", "c", LEDGER])


def test_the_ledger_can_be_read_by_a_person(tmp_path):
    write_own(tmp_path, {"ä.csv": "1"}, maker=MAKER)
    assert json.loads((tmp_path / LEDGER).read_text(encoding="utf-8"))["ä.csv"]["maker"] == MAKER


def test_what_would_be_refused_can_be_asked_before(tmp_path):
    write_own(tmp_path, {"a.txt": "first"}, maker="course test")
    check_own(tmp_path, ["a.txt", "b.txt"], maker="course test")
    (tmp_path / "b.txt").write_text("mine")
    with pytest.raises(FilesError, match=r"b\.txt is in the way"):
        check_own(tmp_path, ["a.txt", "b.txt"], maker="course test")
    check_own(tmp_path, ["a.txt", "b.txt"], maker="course test", force=True)
    with pytest.raises(FilesError, match=r"b\.txt is a file, and a folder is needed"):
        check_own(tmp_path / "b.txt" / "deep", [], maker="course test")
    (tmp_path / "link").symlink_to("nowhere")
    with pytest.raises(FilesError, match="link is a link that leads nowhere"):
        check_own(tmp_path / "link", [], maker="course test")
    before = sorted(tmp_path.iterdir())
    check_own(tmp_path / "new" / "deep", ["a.txt"], maker="course test")
    assert sorted(tmp_path.iterdir()) == before


def test_the_first_strange_file_of_a_folder_is_found(tmp_path):
    write_own(tmp_path, {}, maker="course test")
    (tmp_path / ".course-unfinished-12ab_xyz").mkdir()
    assert first_file(tmp_path) is None
    (tmp_path / "b").touch()
    (tmp_path / "a").touch()
    assert first_file(tmp_path) == tmp_path / "a"


# --- what is begun


BEGIN = """
import pathlib, sys, time
from course_utils.files import scratch
with scratch(pathlib.Path(sys.argv[1]), ".begun-") as place:
    (place / "half").write_text("begun")
    print("ready", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def beginner(tmp_path):
    """A process that has begun something in the folder and waits."""
    with subprocess.Popen(
        [sys.executable, "-c", BEGIN, str(tmp_path / "new")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == "ready\n"
        yield process
        process.kill()


def test_what_a_process_has_begun_stays_while_it_lives_and_goes_with_it(tmp_path, beginner):
    folder = tmp_path / "new"
    begun = names_in(folder)
    assert len(begun) == 1
    with files.scratch(folder, ".begun-") as place, files.scratch(folder, ".begun-") as other:
        assert len({*names_in(folder), *begun, place.name, other.name}) == 3
        assert names_in(place) == names_in(other) == []
    assert names_in(folder) == begun
    (folder / ".begun-by-hand").mkdir()
    (folder / "mine").mkdir()
    beginner.kill()
    beginner.wait()
    assert {*begun, "mine"} < set(names_in(folder))
    with files.scratch(folder, ".begun-") as place:
        assert names_in(folder) == sorted([place.name, "mine"])
    assert names_in(folder) == ["mine"]


def test_what_is_begun_is_gone_after_an_error_and_what_became_whole_is_not(tmp_path):
    with pytest.raises(ZeroDivisionError), files.scratch(tmp_path, ".begun-") as place:
        (place / "half").write_text("begun")
        (place / "whole").write_text("done")
        (place / "whole").rename(tmp_path / "whole")
        raise ZeroDivisionError
    assert contents_of(tmp_path) == {"whole": b"done"}
    assert len(names_in(tmp_path)) == 1


def test_without_locks_a_day_decides_what_is_abandoned(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "fcntl", None)  # as on Windows
    for name, age in ((".begun-old", 25 * 3600), (".begun-young", 23 * 3600)):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    with files.scratch(tmp_path, ".begun-"):
        assert ".begun-old" not in names_in(tmp_path)
    assert names_in(tmp_path) == [".begun-young"]
