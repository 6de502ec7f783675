"""What a learner has solved is kept in their folder, and nothing else is."""

import json

import pytest

from course_utils.exercises import CHECKS, check, show_progress
from course_utils.exercises.solved import FILE_NAME, SolvedError, begin, read_solved, remember


def step(weight, gradient, learning_rate):
    return weight - learning_rate * gradient


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    begin(tmp_path)
    return tmp_path


def test_each_success_says_how_many_are_solved_and_is_kept(folder, capsys):
    check("3.1", step)
    check("2.2", lambda side, channels, filters: filters * (side**2 * channels + 1))
    check("3.1", step)
    counts = [line for line in capsys.readouterr().out.splitlines() if line.endswith("solved")]
    assert counts == [f"{num} of {len(CHECKS)} solved" for num in (1, 2, 2)]
    assert json.loads((folder / FILE_NAME).read_text()) == {"solved": ["2.2", "3.1"]}


def test_what_is_not_right_is_not_kept(folder, capsys):
    check("3.1", lambda *_: 0)
    assert "solved" not in capsys.readouterr().out
    assert read_solved(folder, known=CHECKS) == []


def test_a_new_session_knows_what_an_earlier_one_solved(folder, capsys):
    remember("3.1", folder, known=CHECKS)
    begin(folder)
    show_progress()
    first, *lines = capsys.readouterr().out.splitlines()
    assert first == f"1 of {len(CHECKS)} exercises solved"
    assert [line for line in lines if "left" in line] == [
        f"  lesson 3: 1 of 17; left: {', '.join(f'3.{n}' for n in range(2, 18))}"
    ]


def test_nothing_is_written_where_the_folder_is_no_learners(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    check("3.1", step)
    show_progress()
    assert capsys.readouterr().out == "3.1 ✓ downhill, by learning rate times gradient\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"solved": 3}', '{"solved": [1]}', '{"name": "Ada"}']
)
def test_a_broken_file_stays_and_stops_no_check(folder, capsys, content):
    (folder / FILE_NAME).write_text(content)
    check("3.1", step)
    verdict, advice = capsys.readouterr().out.splitlines()
    assert verdict.startswith("3.1 ✓ ")
    assert advice.startswith(f"{FILE_NAME} doesn't hold the numbers of solved exercises any more")
    assert (folder / FILE_NAME).read_text() == content


def test_exercises_of_another_version_are_left_out(folder):
    (folder / FILE_NAME).write_text('{"solved": ["3.1", "99.1"]}')
    assert read_solved(folder, known=CHECKS) == ["3.1"]


def test_a_folder_in_the_files_place_is_an_error_in_words(tmp_path):
    (tmp_path / FILE_NAME).mkdir()
    with pytest.raises(SolvedError, match="can't be read: Is a directory"):
        read_solved(tmp_path, known=CHECKS)


@pytest.mark.parametrize("content", ['{"solved": []}', "of somebody else", None])
def test_a_link_is_neither_followed_nor_replaced(tmp_path, monkeypatch, capsys, content):
    folder, other = tmp_path / "lessons", tmp_path / "other.json"
    folder.mkdir()
    (folder / FILE_NAME).symlink_to(other)
    if content is not None:
        other.write_text(content)
    monkeypatch.chdir(folder)
    begin(folder)
    check("3.1", step)
    verdict, advice = capsys.readouterr().out.splitlines()
    assert verdict.startswith("3.1 ✓ ")
    assert advice.startswith(f"{FILE_NAME} is a link")
    assert (folder / FILE_NAME).is_symlink()
    assert (other.read_text() if other.exists() else None) == content
