import io
import os
import re
import stat
import string
import struct
import tempfile
import unicodedata
import warnings
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course_utils.grading.intake import collect as collecting
from course_utils.grading.intake.collect import CollectError, collect, make_learner_id
from course_utils.grading.intake.submission import MAX_BYTES

ASSIGNMENT = "03_training"
NAME = "03_training.ipynb"


@pytest.fixture
def course(tmp_path):
    return make_course(tmp_path / "course")


def make_course(folder):
    source = folder / "source" / ASSIGNMENT
    source.mkdir(parents=True)
    (source / NAME).write_text("{}")
    return folder


def write_zip(path, files, *, compression=zipfile.ZIP_DEFLATED):
    """Write an archive; a name is a text or a ZipInfo, a content a text or bytes."""
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w", compression) as archive:
        warnings.simplefilter("ignore", UserWarning)  # two files of one name
        for name, content in files:
            archive.writestr(name, content, compression)
    return path


def make_info(name, *, mode=0o100644, **attributes):
    info = zipfile.ZipInfo("x")
    info.filename = info.orig_filename = name
    info.external_attr = mode << 16
    for attribute, value in attributes.items():
        setattr(info, attribute, value)
    return info


@pytest.fixture
def collect_files(tmp_path, course):
    """Collect an archive of these files: names with contents, or only names."""

    def run(*files, **options):
        pairs = [file if isinstance(file, tuple) else (file, f"{file!s:.20}") for file in files]
        return collect(
            write_zip(tmp_path / "export.zip", pairs), course, assignment=ASSIGNMENT, **options
        )

    return run


def list_files(folder):
    """Every file and folder below, with the content of the files."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


def submitted(course):
    return {
        name.removeprefix("submitted/"): content
        for name, content in list_files(course).items()
        if name.startswith("submitted/") and content is not None
    }


def statuses(collected):
    return {found.learner: found.status for found in collected.submissions}


def refusals(collected):
    return {found.name: found.message for found in collected.refused}


# The forms


@pytest.mark.parametrize("encoding", ["utf-8", "cp437"])
def test_names_are_read_as_they_were_meant_where_the_archive_says_not_how(
    tmp_path, course, encoding
):
    name = "Müller".encode(encoding)
    export = write_zip(
        tmp_path / "export.zip", [("#" * len(name) + "/a.ipynb", "x"), ("bob/a.ipynb", "x")]
    )
    export.write_bytes(export.read_bytes().replace(b"#" * len(name), name))
    collected = collect(export, course, assignment=ASSIGNMENT)
    assert statuses(collected) == {"Müller": "new", "bob": "new"}
    assert set(submitted(course)) == {f"{who}/{ASSIGNMENT}/a.ipynb" for who in ("Müller", "bob")}


def test_canvas_names_learners_by_their_user_id(collect_files, course):
    collected = collect_files(
        ("mullerjane_12345_67890_03_training.ipynb", "jane"),
        ("smithbob_LATE_12346_67891_03_training-1.ipynb", "bob"),
    )
    assert collected.form == "canvas"
    assert submitted(course) == {
        "12345/03_training/03_training.ipynb": b"jane",
        "12346/03_training/03_training-1.ipynb": b"bob",
    }
    assert [(s.learner, s.name, s.is_late) for s in collected.submissions] == [
        ("12345", "mullerjane", False),
        ("12346", "smithbob", True),
    ]
    assert (collected.refused, collected.passed_over) == ((), ())


def test_a_text_entry_of_canvas_does_not_make_its_export_a_plain_one(collect_files, course):
    collected = collect_files(
        "mullerjane_12345_67890_03_training.ipynb",
        "hoppergrace_124_text.html",
        "turingalan_LATE_125_text.html",
    )
    assert collected.form == "canvas"
    assert list(submitted(course)) == ["12345/03_training/03_training.ipynb"]
    assert refusals(collected) == dict.fromkeys(
        ("hoppergrace (124)", "turingalan (125)"),
        "no notebook, but 'text.html'; ask for the notebook",
    )


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (("anon_aB1cD_5_03_training.ipynb",), "anonymous export of Canvas"),
        (("anon_LATE_aB1cD_5_03_training.ipynb", "a_1_2_b.ipynb"), "anonymous export of Canvas"),
        (("mullerjane_12345_67890_a.ipynb", "notes.ipynb"), "--form canvas, moodle or plain"),
        (("Ada_5_assignsubmission_file_/a.ipynb", "bob/a.ipynb"), "is named as Moodle"),
    ],
)
def test_where_the_form_is_not_sure_nothing_is_guessed(collect_files, course, files, message):
    with pytest.raises(CollectError, match=message):
        collect_files(*files)
    assert submitted(course) == {}
    assert collect_files(*files, form="plain").form == "plain"


def test_ids_are_checked_against_the_gradebook(collect_files, course):
    files = ("mullerjane_12345_67890_a.ipynb", "smithbob_12346_67891_a.ipynb")
    with pytest.raises(CollectError, match="none of these learners is in the gradebook"):
        collect_files(*files, known=["ada", "bob"])
    assert submitted(course) == {}
    assert collect_files(*files, known=["12345"]).unknown == ("12346",)


def test_a_file_cannot_look_like_another_submission_of_canvas(collect_files, course):
    collect_files("eve_66_1_bob_12346_2_03_training.ipynb")
    assert list(submitted(course)) == ["66/03_training/bob_12346_2_03_training.ipynb"]


@pytest.mark.parametrize(
    "pattern",
    [
        "{}_assignsubmission_file_/03_training.ipynb",
        "{}_assignsubmission_file/03_training.ipynb",
        "{}_assignsubmission_file_03_training.ipynb",
        "{}_assignsubmission_file_/folder/03_training.ipynb",
    ],
)
def test_moodle_names_learners_by_their_participant_number(collect_files, course, pattern):
    collected = collect_files(
        (pattern.format("Jane Müller_12345"), "jane"),
        (pattern.format("Participant_12346".replace("_", " ", 1) + "_12346"), "bob"),
        "Jane Müller_12345_assignsubmission_onlinetext_/onlinetext.html",
    )
    assert collected.form == "moodle"
    assert submitted(course) == {
        "12345/03_training/03_training.ipynb": b"jane",
        "12346/03_training/03_training.ipynb": b"bob",
    }
    assert collected.submissions[0].name == "Jane Müller"
    assert collected.passed_over == (
        "Jane Müller_12345_assignsubmission_onlinetext_/onlinetext.html",
    )


def test_a_file_cannot_look_like_another_submission_of_moodle(collect_files, course):
    collect_files("Eve_66_assignsubmission_file_Bob_7_assignsubmission_file_x.ipynb")
    assert list(submitted(course)) == ["66/03_training/Bob_7_assignsubmission_file_x.ipynb"]


def test_a_plain_zip_has_a_folder_or_a_notebook_for_each_learner(collect_files, course):
    collected = collect_files(
        ("alice/homework.ipynb", "alice"),
        ("alice/picture.png", "no"),
        ("bob.ipynb", "bob"),
        ("./carol//deep/er/03_training.ipynb", "carol"),
        ("carol/", ""),
        ("./", ""),
        (".", "a file whose name says nothing"),
        ("__MACOSX/alice/._homework.ipynb", "no"),
        ("dave/.ipynb_checkpoints/03_training-checkpoint.ipynb", "no"),
        ("dave/03_training.ipynb", "dave"),
        ("readme.txt", "no"),
    )
    assert collected.form == "plain"
    assert submitted(course) == {
        "alice/03_training/homework.ipynb": b"alice",
        "bob/03_training/03_training.ipynb": b"bob",
        "carol/03_training/03_training.ipynb": b"carol",
        "dave/03_training/03_training.ipynb": b"dave",
    }
    assert collected.passed_over == ("alice/picture.png", "readme.txt")


@pytest.mark.parametrize(
    ("names", "learners"),
    [
        (["class/alice/03_training.ipynb", "class/bob/03_training.ipynb"], ["alice", "bob"]),
        (["class/alice.ipynb", "class/bob.ipynb"], ["alice", "bob"]),
        (["a/b/alice.ipynb", "a/b/bob.ipynb"], ["a"]),
        (["alice/03_training.ipynb"], ["alice"]),
        (["alice/homework.ipynb"], ["alice"]),
        (["alice/03_training.ipynb", "alice/data.csv"], ["alice"]),
        (
            [f"submitted/{name}/03_training/03_training.ipynb" for name in ("alice", "bob")],
            ["alice", "bob"],
        ),
    ],
)
def test_a_folder_around_everything_is_no_learner(collect_files, names, learners):
    assert list(statuses(collect_files(*names))) == learners


def test_a_form_can_be_given(collect_files, course):
    assert collect_files("jane_1_2_x.ipynb", form="plain").form == "plain"
    assert list(submitted(course)) == ["jane_1_2_x/03_training/03_training.ipynb"]
    with pytest.raises(CollectError, match=r"no submissions in the form moodle; its first file"):
        collect_files("jane_1_2_x.ipynb", form="moodle")
    collected = collect_files("jane_1_2_x.ipynb", "other.ipynb", form="canvas")
    assert (statuses(collected), collected.passed_over) == ({"1": "new"}, ("other.ipynb",))


def test_a_file_that_a_browser_saved_as_text_is_a_notebook(collect_files, course):
    collect_files("alice/03_training.ipynb.txt", "bob.IPYNB.json")
    assert list(submitted(course)) == [
        "alice/03_training/03_training.ipynb.txt",
        "bob/03_training/03_training.ipynb",
    ]


# The roster


def test_a_roster_gives_the_names(tmp_path, collect_files, course):
    roster = tmp_path / "learners.csv"
    roster.write_text("\ufeffid,first_name,lms_user_id\njane,Jane,12345\nbob,Bob,\n")
    collected = collect_files("müllerjane_12345_1_x.ipynb", "eve_66_2_x.ipynb", roster=roster)
    assert statuses(collected) == {"jane": "new"}
    assert refusals(collected) == {
        "eve (66)": "'66' is not in the roster; add it, as id or lms_user_id"
    }
    assert statuses(collect_files("bob.ipynb", roster=roster)) == {"bob": "new"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"name\njane\n", "lacks the column id and the column lms_user_id: its first row is name;"),
        (b"id,name\njane,Jane\n", "lacks the column lms_user_id: its first row is id, name;"),
        (b"id;lms_user_id\njane;1\n", "it takes commas between columns"),
        (b"", "its first row is empty"),
        (b"id,lms_user_id\n", "has no learners; add a row for each"),
        (b"id,lms_user_id\njane,1\n,2\n", "has the id '' in line 3; it takes letters"),
        (b"id,lms_user_id\n../jane,1\n", "'../jane'"),
        (b"id,lms_user_id\njane,1\nbob,1\n", "two learners '1', the second in line 3; correct"),
        (b"id,lms_user_id\n1,2\n2,1\n", "two learners"),
        (b"\xff\xfe\xff", "is not written in UTF-8; save it as “CSV UTF-8”"),
        (b'id\n"' + b"x" * 200_000, "is no CSV file: field larger"),
    ],
)
def test_a_roster_that_cannot_be_used_is_refused(tmp_path, collect_files, course, content, message):
    roster = tmp_path / "learners.csv"
    roster.write_bytes(content)
    with pytest.raises(CollectError, match=re.escape(message)):
        collect_files("jane_1_2_x.ipynb", roster=roster)
    assert submitted(course) == {}


def test_a_roster_that_is_not_there_is_refused(tmp_path, collect_files):
    with pytest.raises(CollectError, match="cannot be read"):
        collect_files("jane_1_2_x.ipynb", roster=tmp_path / "none.csv")


# What is there already


def test_a_second_time_nothing_changes(collect_files, course):
    collect_files("alice.ipynb", "bob.ipynb")
    before = list_files(course)
    assert set(statuses(collect_files("alice.ipynb", "bob.ipynb")).values()) == {"unchanged"}
    assert list_files(course) == before


def test_another_submission_is_kept_unless_it_is_to_be_replaced(collect_files, course):
    collect_files(("alice.ipynb", "old"))
    (course / "submitted/alice/03_training/timestamp.txt").write_text("2031-05-04")
    before = list_files(course)
    assert statuses(collect_files(("alice.ipynb", "new"))) == {"alice": "kept"}
    assert list_files(course) == before
    collected = collect_files(("alice.ipynb", "new"), ("bob.ipynb", "new"), replace=True)
    assert statuses(collected) == {"alice": "replaced", "bob": "new"}
    assert submitted(course) == {
        "alice/03_training/03_training.ipynb": b"new",
        "bob/03_training/03_training.ipynb": b"new",
    }
    (older,) = (course / ".course/replaced/alice/03_training").iterdir()
    assert list_files(older) == {"03_training.ipynb": b"old", "timestamp.txt": b"2031-05-04"}


def test_a_notebook_less_is_another_submission(collect_files):
    collect_files("alice/a.ipynb", "alice/b.ipynb", "bob.ipynb")
    collected = collect_files("alice/a.ipynb", "bob.ipynb")
    assert statuses(collected) == {"alice": "kept", "bob": "unchanged"}


def test_other_assignments_are_left_alone(collect_files, course):
    other = course / "submitted/alice/02_model_building/02_model_building.ipynb"
    other.parent.mkdir(parents=True)
    other.write_text("other")
    collect_files("alice.ipynb", replace=True)
    assert other.read_text() == "other"


def test_what_cannot_be_written_is_reported_and_leaves_nothing_half(collect_files, course):
    blocked = course / "submitted" / "bob"
    blocked.parent.mkdir()
    blocked.write_text("a file, not a folder")
    with pytest.raises(CollectError, match=r"bob.* cannot be written"):
        collect_files("alice.ipynb", "bob.ipynb")
    assert list(submitted(course)) == ["alice/03_training/03_training.ipynb", "bob"]
    assert list((course / ".course").iterdir()) == []


def test_no_temporary_files_are_left(collect_files, course):
    collect_files("alice.ipynb")
    assert list((course / ".course").iterdir()) == []


# An archive refused as a whole


@pytest.fixture
def refuse(tmp_path, course):
    """Expect that an archive is refused and nothing written, beside it or above."""

    def expect(files, message, **options):
        export = write_zip(tmp_path / "export.zip", [("alice.ipynb", "alice"), *files], **options)
        expect_file(export, message)

    def expect_file(export, message):
        before = list_files(tmp_path)
        with pytest.raises(CollectError, match=message) as refused:
            collect(export, course, assignment=ASSIGNMENT)
        assert "\n" not in str(refused.value)
        assert list_files(tmp_path) == before

    expect.file = expect_file
    return expect


@pytest.mark.parametrize(
    "name",
    [
        "../evil.ipynb",
        "bob/../../evil.ipynb",
        "bob/..",
        "/tmp/evil.ipynb",
        "//server/evil.ipynb",
        "C:/evil.ipynb",
        "c:evil.ipynb",
        "C:\\evil.ipynb",
        "bob\\evil.ipynb",
        "..\\evil.ipynb",
        "../evil.ipynb\0.png",
    ],
)
def test_names_that_leave_their_folder_are_refused(refuse, name):
    refuse([(make_info(name), "evil")], "would be unpacked outside its folder")


@pytest.mark.parametrize(
    "kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFSOCK]
)
@pytest.mark.parametrize("system", [0, 3])
def test_links_and_special_files_are_refused(refuse, kind, system):
    info = make_info("bob.ipynb", mode=kind | 0o777, create_system=system)
    refuse([(info, "/etc/passwd")], "is a link or a special file")


def test_a_password_is_refused(tmp_path, refuse):
    export = write_zip(tmp_path / "export.zip", [("alice.ipynb", "alice")])
    content = bytearray(export.read_bytes())
    content[content.index(b"PK\1\2") + 8] |= 1
    export.write_bytes(content)
    refuse.file(export, "is protected by a password; pack the files again")


def test_too_many_files_are_refused(refuse):
    files = [(f"{i}.ipynb", "") for i in range(collecting.MAX_MEMBERS)]
    refuse(files, "has 20001 files, more than 20000", compression=zipfile.ZIP_STORED)


def test_files_that_overlap_are_refused(tmp_path, refuse):
    """As in a zip bomb without nesting: many names for one piece of compressed data."""
    export = write_zip(tmp_path / "export.zip", [("a.ipynb", os.urandom(1000))])
    content = export.read_bytes()
    start, end = content.index(b"PK\1\2"), content.index(b"PK\5\6")
    entry = content[start:end]
    entries = b"".join(entry.replace(b"a.ipynb", b"%c.ipynb" % letter) for letter in b"abcdefgh")
    tail = bytearray(content[end:])
    struct.pack_into("<HHL", tail, 8, 8, 8, len(entries))
    export.write_bytes(content[:start] + entries + tail)
    assert len(zipfile.ZipFile(export).infolist()) == 8
    refuse.file(export, "overlap, it is a zip bomb")


def test_notebooks_too_large_in_all_are_refused(monkeypatch, refuse):
    monkeypatch.setattr(collecting, "MAX_TOTAL_BYTES", 2000)
    refuse([("bob.ipynb", "x" * 2000)], "its notebooks are .* GB large")


@pytest.mark.parametrize(
    "content", [b"", b"no zip", b"PK\3\4", b"PK\5\6" + b"\0" * 10, b"PK\5\6" + b"\xff" * 18]
)
def test_what_is_no_zip_is_refused(tmp_path, refuse, content):
    export = tmp_path / "export.zip"
    export.write_bytes(content)
    refuse.file(export, "is no zip file, or not a whole one")


def test_a_truncated_zip_is_refused(tmp_path, refuse):
    export = write_zip(tmp_path / "export.zip", [("alice.ipynb", os.urandom(1000))])
    export.write_bytes(export.read_bytes()[:-30])
    refuse.file(export, "is no zip file, or not a whole one")


def test_an_empty_zip_and_one_without_notebooks_are_refused(tmp_path, refuse):
    refuse.file(write_zip(tmp_path / "export.zip", []), "it is empty")
    export = write_zip(tmp_path / "export.zip", [("a.txt", "")])
    refuse.file(export, "no submissions in the form plain; its first file is 'a.txt'")


def test_a_missing_export_is_refused(tmp_path, refuse):
    refuse.file(tmp_path / "none.zip", "cannot be read: No such file")
    refuse.file(tmp_path, "cannot be read: Is a directory")


@pytest.mark.parametrize("assignment", ["04_ethics", "../03_training", "", ".", "/tmp"])
def test_an_unknown_assignment_is_refused(tmp_path, course, assignment):
    export = write_zip(tmp_path / "export.zip", [("alice.ipynb", "")])
    with pytest.raises(CollectError, match=r"no assignment .*; there are 03_training"):
        collect(export, course, assignment=assignment)
    with pytest.raises(CollectError, match="it has none"):
        collect(export, tmp_path, assignment=assignment)


# What costs only one learner


@pytest.fixture
def refuse_bob(tmp_path, course):
    """Expect that bob's files are refused and alice's are not."""

    def expect(files, message, *, change=lambda content: content, **options):
        files = [("alice.ipynb", "alice"), *files]
        export = write_zip(tmp_path / "export.zip", files, **options)
        export.write_bytes(change(export.read_bytes()))
        collected = collect(export, course, assignment=ASSIGNMENT)
        assert statuses(collected) == {"alice": "new"}
        assert submitted(course) == {"alice/03_training/03_training.ipynb": b"alice"}
        (refusal,) = collected.refused
        assert refusal.name.startswith("bob")
        assert re.search(message, refusal.message)
        assert refusal.message.isprintable()

    return expect


def test_a_large_file_is_refused(refuse_bob):
    content = os.urandom(2**20) * (MAX_BYTES // 2**20) + b"x"
    refuse_bob([("bob.ipynb", content)], "'.*' is larger than 20 MB; ask for it without")


def test_a_file_of_the_largest_size_is_collected(collect_files, course):
    content = os.urandom(2**20) * (MAX_BYTES // 2**20)
    collect_files(("bob.ipynb", content))
    assert submitted(course) == {"bob/03_training/03_training.ipynb": content}


def test_a_zip_bomb_is_refused(refuse_bob):
    refuse_bob([("bob.ipynb", b"\0" * 10 * 2**20)], "would unpack to 300 times its size")


def test_a_small_file_may_be_packed_tightly(collect_files, course):
    collect_files(("bob.ipynb", b"\0" * 2**20))
    assert len(submitted(course)["bob/03_training/03_training.ipynb"]) == 2**20


def test_many_large_files_are_refused(monkeypatch, refuse_bob):
    monkeypatch.setattr(collecting, "MAX_LEARNER_BYTES", 2**20)
    refuse_bob([(f"bob/{i}.ipynb", os.urandom(2**19)) for i in range(3)], "larger than 1 MB")


def understate_size(content):
    """Claim in both headers that the last file is one byte long."""
    content = bytearray(content)
    for mark, offset in ((b"PK\3\4", 22), (b"PK\1\2", 24)):
        struct.pack_into("<L", content, content.rindex(mark) + offset, 1)
    return bytes(content)


def damage(content):
    place = content.index(b"bob.ipynb") + 200
    return content[:place] + b"\xff" * 20 + content[place + 20 :]


def rename_inside(content):
    return content.replace(b"bob.ipynb", b"eve.ipynb", 1)


@pytest.mark.parametrize("change", [understate_size, damage, rename_inside])
def test_a_damaged_file_is_refused(refuse_bob, change):
    refuse_bob([("bob.ipynb", os.urandom(1000))], "is damaged .*; export it again", change=change)


@pytest.mark.parametrize("compression", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_an_unusual_compression_is_refused(tmp_path, course, compression):
    export = write_zip(tmp_path / "export.zip", [("bob.ipynb", "x")], compression=compression)
    collected = collect(export, course, assignment=ASSIGNMENT)
    assert "unusual" in refusals(collected)["bob"]


@pytest.mark.parametrize("name", ["bob.zip", "bob/work.ZIP", "bob/a.tar.gz", "bob/x.7z"])
def test_an_archive_in_the_archive_is_refused(refuse_bob, name):
    nested = io.BytesIO()
    write_zip(nested, [("bob.ipynb", "bob")])
    refuse_bob([(name, nested.getvalue())], "an archive within the archive")


def test_an_archive_beside_the_notebook_is_passed_over(collect_files):
    collected = collect_files("bob/03_training.ipynb", "bob/all.zip")
    assert (statuses(collected), collected.passed_over) == ({"bob": "new"}, ("bob/all.zip",))


def test_a_submission_without_a_notebook_is_refused(refuse_bob):
    refuse_bob([("bob/essay.pdf", ""), ("bob/a.txt", "")], "no notebook, but 'essay.pdf', 'a.txt'")


@pytest.mark.parametrize(
    "names",
    [
        ["bob/a.ipynb", "bob/a.ipynb"],
        ["bob/a.ipynb", "bob/A.ipynb"],
        ["bob/a.ipynb", "bob/deep/a.ipynb"],
        ["bob/a?.ipynb", "bob/a*.ipynb"],
        ["bob/é.ipynb", "bob/e\u0301.ipynb"],
    ],
)
def test_two_files_of_one_name_are_refused(refuse_bob, names):
    refuse_bob([(name, str(i)) for i, name in enumerate(names)], "two files are called")


@pytest.mark.parametrize("name", ["bob/\x1b[2J.ipynb", "bob/a\n.ipynb", "bob/a\0b.ipynb"])
def test_control_characters_in_a_name_are_refused(refuse_bob, name):
    refuse_bob([(make_info(name), "x")], "has control characters")


def test_two_learners_of_one_name_are_both_refused(collect_files, course):
    collected = collect_files("alice.ipynb", "Bob.ipynb", "bob/x.ipynb", "c d.ipynb", "c_d.ipynb")
    assert list(statuses(collected)) == ["alice"]
    assert list(submitted(course)) == ["alice/03_training/03_training.ipynb"]
    assert set(refusals(collected)) == {"Bob", "bob", "c d", "c_d"}
    assert "name them apart" in refusals(collected)["bob"]


def test_a_name_of_which_no_folder_can_be_made_is_refused(collect_files):
    collected = collect_files("alice.ipynb", "---.ipynb", "?/a.ipynb")
    assert list(statuses(collected)) == ["alice"]
    assert set(refusals(collected)) == {"---", "?"}


# Properties


@pytest.mark.parametrize(
    ("name", "learner"),
    [
        ("jane", "jane"),
        ("Jane Müller", "Jane_Müller"),
        ("jane.m@example.org", "jane.m@example.org"),
        ("../../etc", "etc"),
        (".hidden", "hidden"),
        ("-rf", "rf"),
        ("a/b\\c:d\0e\nf", "a_b_c_d_e_f"),
        ("e\u0301", "é"),
        ("", ""),
        ("..", ""),
    ],
)
def test_learner_ids(name, learner):
    assert make_learner_id(name) == learner


@given(st.text())
def test_a_learner_id_is_a_safe_name_and_stays_as_it_is(name):
    learner = make_learner_id(name)
    assert make_learner_id(learner) == learner
    assert len(learner.encode()) <= 255
    assert not set(learner) & set('/\\:*?"<>|\0 ')
    assert all(unicodedata.category(character)[0] not in "CZ" for character in learner)
    assert learner[:1] not in (".", "-")


NAME_PARTS = st.one_of(
    st.text(max_size=8),
    st.sampled_from(
        ["..", ".", "", "/", "alice", "\\", "C:", "a" * 300, "\0", "\u202e", "é" * 200]
    ),
    st.sampled_from(["x_1_2_", "x_LATE_1_2_", "x_1_assignsubmission_file_/", ".ipynb", ".zip"]),
    st.text(string.ascii_letters + "._-/ ", max_size=8),
)
NAMES = st.lists(NAME_PARTS, min_size=1, max_size=5).map("".join)


@settings(max_examples=300)
@given(st.lists(st.tuples(NAMES, st.booleans()), min_size=1, max_size=4), st.integers(0, 10**4))
def test_whatever_the_names_nothing_is_written_elsewhere(names, damaged):
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        course = make_course(folder / "course")
        files = [
            (make_info((name + ".ipynb" * notebook)[:60_000] or "x"), f"content {i}")
            for i, (name, notebook) in enumerate(names)
        ]
        try:
            export = write_zip(folder / "export.zip", files)
        except UnicodeEncodeError:
            return  # a lone surrogate
        if damaged:
            content = bytearray(export.read_bytes())
            content[damaged % len(content)] ^= 1 << damaged % 8
            export.write_bytes(content)
        before = list_files(folder)
        try:
            collected = collect(export, course, assignment=ASSIGNMENT)
        except CollectError as refused:
            assert list_files(folder) == before
            assert "\n" not in str(refused)
            return
        added = {name for name, content in list_files(folder).items() if content is not None}
        added -= before.keys()
        expected = {
            f"course/submitted/{found.learner}/{ASSIGNMENT}/{file}"
            for found in collected.submissions
            for file in found.files
        }
        assert added == expected
        for found in collected.submissions:
            assert make_learner_id(found.learner) == found.learner != ""


@settings(max_examples=200)
@given(st.lists(st.tuples(st.integers(0, 10**4), st.binary(max_size=4)), min_size=1, max_size=6))
def test_a_damaged_archive_is_collected_or_refused(changes):
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        course = make_course(folder / "course")
        contents = {"alice": b"alice " * 20, "bob": bytes(range(256))}
        export = write_zip(
            folder / "export.zip", [(f"{name}.ipynb", text) for name, text in contents.items()]
        )
        content = export.read_bytes()
        for place, added in changes:
            start = place % len(content)
            content = content[:start] + added + content[start + len(added) :]
        export.write_bytes(content)
        try:
            collected = collect(export, course, assignment=ASSIGNMENT)
        except CollectError as refused:
            assert "\n" not in str(refused)
            assert submitted(course) == {}
        else:
            assert set(submitted(course).values()) <= set(contents.values())
            assert len(submitted(course)) == len(collected.submissions)
