"""A submission's notebook is found among its files, and read if it is one."""

import os
import re

import pytest

from course_utils.grading.intake.submission import (
    FoundNotebook,
    SubmissionError,
    find_notebook,
    read_submission,
)

NAME = "03_training.ipynb"
MAX_MESSAGE = 300


@pytest.mark.parametrize(
    "name",
    [
        "03_Training.ipynb",
        "03_training-Copy1.ipynb",
        "03_training (1).ipynb",
        "03_training - Copy (2).IPYNB",
        "03_training-1.ipynb",
        "03_training.ipynb.txt",
        "03_training.ipynb.json",
    ],
)
def test_a_file_of_a_similar_name_is_found_among_others(tmp_path, name):
    (tmp_path / name).write_text("{}")
    (tmp_path / "essay.ipynb").write_text("{}")
    found = find_notebook(tmp_path, NAME)
    assert found.path == tmp_path / name
    assert [repair.kind for repair in found.repairs] == ["renamed"]
    assert repr(name) in found.repairs[0].message


def test_the_file_of_the_right_name_is_found_without_a_word(tmp_path):
    for name in (NAME, "03_training (1).ipynb", "other.ipynb"):
        (tmp_path / name).write_text("{}")
    assert find_notebook(tmp_path, NAME) == FoundNotebook(tmp_path / NAME, ())


def test_the_only_notebook_is_found_whatever_its_name(tmp_path):
    (tmp_path / "homework.ipynb").write_text("{}")
    (tmp_path / "notes.txt").write_text("")
    (tmp_path / ".hidden.ipynb").write_text("{}")
    (tmp_path / ".ipynb_checkpoints").mkdir()
    assert find_notebook(tmp_path, NAME).path.name == "homework.ipynb"


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "there is no notebook; hand in 03_training.ipynb"),
        (["notes.txt"], "there is no notebook"),
        (["a.ipynb", "b.ipynb"], "several notebooks could be meant ('a.ipynb', 'b.ipynb')"),
        (["03_training-1.ipynb", "03_Training.ipynb"], "several notebooks"),
    ],
)
def test_no_file_or_several_are_refused(tmp_path, names, message):
    for name in names:
        (tmp_path / name).write_text("{}")
    with pytest.raises(SubmissionError, match=re.escape(message)):
        find_notebook(tmp_path, NAME)


@pytest.mark.parametrize(
    ("files", "found"),
    [
        (["essay.ipynb"], "there is no notebook; hand in 03_training.ipynb"),
        (["ESSAY (1).ipynb"], "there is no notebook"),
        (["homework.ipynb"], "not clear which 'homework.ipynb' is meant to be"),
        (["homework.ipynb", "other.ipynb"], "not clear which 'homework.ipynb', 'other.ipynb' is"),
        (["03_training-Copy1.ipynb"], 0),
        (["homework.ipynb", "essay.ipynb"], 0),
        (["homework.ipynb", "Essay.ipynb"], 0),
        (["homework.ipynb", "other.ipynb", "essay.ipynb"], "several notebooks could be meant"),
    ],
)
def test_no_notebook_stands_for_another_of_its_assignment(tmp_path, files, found):
    for name in files:
        (tmp_path / name).write_text("{}")
    siblings = ["essay.ipynb", NAME]
    if isinstance(found, int):
        assert find_notebook(tmp_path, NAME, siblings=siblings).path.name == files[found]
    else:
        with pytest.raises(SubmissionError, match=re.escape(found)):
            find_notebook(tmp_path, NAME, siblings=siblings)


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(SubmissionError, match="'nobody' cannot be read"):
        find_notebook(tmp_path / "nobody", NAME)


def test_a_name_that_no_file_can_have_is_that_of_no_file(tmp_path):
    name = f"{'a' * 300}.ipynb"
    with pytest.raises(SubmissionError, match="there is no notebook"):
        find_notebook(tmp_path, name)
    with pytest.raises(SubmissionError, match="is no file"):
        read_submission(tmp_path / name)


def test_links_pipes_and_folders_are_no_notebooks(tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("{}")
    folder = tmp_path / "submission"
    folder.mkdir()
    (folder / NAME).symlink_to(secret)
    os.mkfifo(folder / "b.ipynb")
    (folder / "c.ipynb").mkdir()
    with pytest.raises(SubmissionError, match="there is no notebook"):
        find_notebook(folder, NAME)
    for name in (NAME, "b.ipynb", "c.ipynb"):
        with pytest.raises(SubmissionError, match="is no file"):
            read_submission(folder / name)


def test_a_large_file_is_not_read_as_a_whole(tmp_path):
    path = tmp_path / NAME
    with path.open("wb") as file:
        file.truncate(10**12)
    with pytest.raises(SubmissionError, match="larger than 20 MB"):
        read_submission(path)


def test_a_file_is_read(tmp_path):
    (tmp_path / NAME).write_bytes(b"\xff\0")
    assert read_submission(tmp_path / NAME) == b"\xff\0"
