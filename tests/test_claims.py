"""The ledger of claims: what it accepts, what it refuses, and what it makes of a run."""

import json
import re
import shutil
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from course_utils.claims import (
    ClaimsError,
    Condition,
    Measurement,
    Outcome,
    check,
    load_bibliography,
    load_claims,
    parse_condition,
    read_text,
)
from course_utils.execution.records import MIME_PREFIX, collect

COURSE = Path(__file__).parents[1]


def read_good_run():
    """The records that the ledger names, as the lessons have stored them: value, low, high."""
    claims = load_claims(COURSE / "essays" / "claims.yaml")
    needed = [piece for one in claims if one.kind == "measured" for piece in one.evidence]
    run = {}
    for piece in needed:
        made = collect(COURSE / "notebooks" / f"{piece.lesson}.ipynb")[piece.record]
        run.setdefault(piece.lesson, {})[piece.record] = (made.value, made.low, made.high)
    return run


GOOD_RUN = read_good_run()


def write_notebook(path, records, *, prose=""):
    """Write an executed notebook that made the records."""
    outputs = [
        {
            "output_type": "display_data",
            "data": {"text/plain": f"{name}: {value}", f"{MIME_PREFIX}text/plain": str(value)},
            "metadata": {
                "scrapbook": {
                    "name": name,
                    "mime_prefix": MIME_PREFIX,
                    "record": {"value": value, "low": low, "high": high},
                }
            },
        }
        for name, (value, low, high) in records.items()
    ]
    cells = [
        {"cell_type": "markdown", "metadata": {}, "source": [prose]},
        {"cell_type": "code", "metadata": {}, "source": [], "outputs": outputs},
    ]
    path.write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4}))


def write_run(folder, run):
    folder.mkdir(exist_ok=True)
    for lesson, records in run.items():
        write_notebook(folder / f"{lesson}.ipynb", records)


def change(run, lesson, name, numbers):
    return run | {lesson: run[lesson] | {name: numbers}}


def failures(verdicts):
    return {verdict.subject: verdict.reason for verdict in verdicts if verdict.outcome == "fails"}


@pytest.fixture
def course(tmp_path):
    """The real essays beside a run that bears them out."""
    shutil.copytree(COURSE / "essays", tmp_path / "essays")
    write_run(tmp_path / "notebooks", GOOD_RUN)
    return tmp_path


def edit(course, name, old, new):
    path = course / "essays" / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


# Conditions

terms = st.sampled_from(["value", "low", "high"]) | st.decimals(
    min_value=-1000, max_value=1000, places=3
).map(str)
signs = st.sampled_from(["<", "<=", "==", ">=", ">"])
spaces = st.sampled_from(["", " ", "  "])


@st.composite
def conditions(draw):
    """A text of the grammar, each comparison beginning with a part of the record."""
    chains = []
    for _ in range(draw(st.integers(1, 3))):
        chain = draw(st.sampled_from(["value", "low", "high"]))
        for _ in range(draw(st.integers(1, 3))):
            chain += draw(spaces) + draw(signs) + draw(spaces) + draw(terms)
        chains.append(chain)
    return " and ".join(chains)


numbers = st.floats(-1000, 1000).map(lambda number: round(number, 3))


@given(conditions(), numbers, numbers, numbers)
def test_a_condition_means_what_it_says(text, value, low, high):
    meaning = eval(text, {}, {"value": value, "low": low, "high": high})  # the text is made above
    assert parse_condition(text).holds(value=value, low=low, high=high) == meaning


ALLOWED = re.compile(r"(value|low|high|and|[<>]=?|==|-?[0-9]+(\.[0-9]+)?|\s)+")


@given(st.text() | st.text(alphabet="valueowhighand <>=.-0123456789()_[]'\"\n"))
@example("__import__('os').system('true') < value")
@example("value.__class__ == 1")
@example("value < 1 or low > 0")
@example("not value < 1")
@example("(value) < 1")
@example("value < 1e5")
@example("value < 10**10")
@example("value < ١")
@example("value < low < ")
@example("value = 1")
@example("value < 1, low > 0")
@example("value\x00 < 1")
def test_anything_else_is_refused(text):
    try:
        condition = parse_condition(text)
    except ClaimsError as error:
        assert "is no condition" in str(error)
    else:
        assert ALLOWED.fullmatch(text)
        assert all(part in text for comparison in condition.comparisons for part in comparison)


CAN_NOT_FAIL = [
    "-1 <= low <= value <= high <= 1", "low <= high", "value <= high", "value == value",
    "low <= 1", "value >= -1",
]  # fmt: skip
CAN_FAIL = [
    "low < high", "value < 1", "high < 1", "low > 0", "low > -0.03 and high < 0.03", "value > -1",
    "value == 1676842", "value < 2000000", "0.343 < value < 0.345", "value < low", "0 <= low",
]  # fmt: skip


@pytest.mark.parametrize("text", CAN_NOT_FAIL)
def test_a_condition_that_nothing_could_fail_is_no_evidence(tmp_path, text):
    with pytest.raises(ClaimsError, match=r"line 2.*can't fail"):
        load(tmp_path, CLAIM.replace("value > 0.5", f'"{text}"'))


@pytest.mark.parametrize("text", CAN_FAIL)
def test_a_condition_that_a_record_could_fail_is_evidence(tmp_path, text):
    (claim,) = load(tmp_path, CLAIM.replace("value > 0.5", f'"{text}"'))
    assert claim.evidence[0].condition == parse_condition(text)


@pytest.mark.parametrize("text", ["1 < 2", "0 == 0 and value > 1", "value", "", "and"])
def test_a_condition_speaks_of_the_record_each_time(text):
    with pytest.raises(ClaimsError, match="is no condition"):
        parse_condition(text)


def test_an_undefined_number_meets_no_condition():
    nan = float("nan")
    assert not parse_condition("value < 1").holds(value=nan)
    assert not parse_condition("value >= 1").holds(value=nan)
    assert not parse_condition("low > 0").holds(value=1.0, low=None, high=None)


# The ledger

CLAIM = """
- id: fine
  essay: 01_essay
  statement: It is so.
  kind: measured
  evidence:
    - {record: accuracy, lesson: 03_training, condition: value > 0.5}
"""


def load(tmp_path, text):
    path = tmp_path / "claims.yaml"
    path.write_text(text, encoding="utf-8")
    return load_claims(path)


def test_a_sound_ledger_is_read(tmp_path):
    (claim,) = load(tmp_path, CLAIM)
    assert (claim.id, claim.kind, claim.essay) == ("fine", "measured", "01_essay")
    condition = Condition("value > 0.5", (("value", ">", "0.5"),))
    assert claim.evidence == (Measurement("accuracy", "03_training", condition),)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("kind: measured", "kind: [measured", "claims.yaml.*line"),
        ("- id: fine", "id: fine", "claims.yaml"),
        ("id: fine", "id: Not Fine", "line 2.*lower-case words"),
        ("id: fine", "id: 3", "line 2.*'id' is 3, not a text"),
        ("kind: measured", "kind: certain", "'certain', not one of measured, cited, value"),
        ("kind: measured", "kind: cited", "'fine'.*expected the fields key, locator"),
        ("  statement: It is so.\n", "", "line 2: expected the fields .*statement"),
        ("statement: It is so.", "statement: [so]", "'statement' is .* not a text"),
        ("statement: It is so.", "statement: '  '", "'statement'"),
        ("statement:", "sattement:", "expected the fields"),
        ("condition: value > 0.5", "condition: value", "'fine': 'value' is no condition"),
        ("condition: value > 0.5", "condition: 0.5", "'condition' is 0.5, not a text"),
        ("{record", "{colour: red, record", "expected the fields record, lesson, condition"),
        (CLAIM[CLAIM.index("evidence") :], "evidence: []\n", "'fine' has no evidence"),
        (CLAIM[CLAIM.index("evidence") :], "evidence: seen\n", "'fine' has no evidence"),
        (CLAIM[CLAIM.index("evidence") :], "evidence: !!python/name:os.system\n", "not YAML"),
        (CLAIM, "", "is a list of claims"),
        (CLAIM, "- just a text\n", "line 1: expected the fields"),
        (CLAIM, CLAIM + CLAIM.lstrip(), "line 8: there is a claim 'fine' already"),
    ],
)
def test_a_faulty_ledger_is_refused(tmp_path, old, new, message):
    assert old in CLAIM
    with pytest.raises(ClaimsError, match=f"(?s){message}"):
        load(tmp_path, CLAIM.replace(old, new))


def test_a_missing_ledger_is_refused(tmp_path):
    with pytest.raises(ClaimsError, match="cannot be read"):
        load_claims(tmp_path / "claims.yaml")


# A run


def test_the_real_essays_pass_with_records_that_bear_them_out(course):
    verdicts = check(course)
    assert failures(verdicts) == {}
    claimed = {claim.id for claim in load_claims(course / "essays" / "claims.yaml")}
    assert claimed <= {verdict.subject for verdict in verdicts}


@pytest.mark.parametrize(
    ("lesson", "name", "numbers", "claim"),
    [
        ("04_ethics", "gap_change", (0.12, -0.05, 0.29), "rare-palette-widens-gap"),
        ("04_ethics", "shift_consistency_max", (0.99, 0.98, 1.0), "shifts-change-answers"),
        ("04_ethics", "shift_consistency_blur", (1.0, 1.0, 1.0), "shifts-change-answers"),
        ("04_ethics", "blur_minus_max", (0.02, -0.01, 0.05), "blurring-keeps-more-answers"),
        (
            "04_ethics",
            "pooling_gap_max_minus_blur",
            (0.02, 0.0, 0.04),
            "max-pooling-does-not-widen-the-gap",
        ),
        ("04_ethics", "recovery_flatten_8px", (0.04, 0.02, 0.06), "two-causes-can-be-told-apart"),
        ("04_ethics", "crowding", (0.04, 0.02, 0.06), "few-pictures-not-crowding"),
        ("04_ethics", "overall_change", (-0.02, -0.04, 0.0), "the-average-hides-it"),
        ("04_ethics", "audit_power", (0.6, 0.58, 0.62), "audits-need-many-pictures"),
        (
            "04_ethics",
            "gender_shades_ibm_difference",
            (0.344, 0.2, 0.4),
            "ibm-gap-is-far-from-chance",
        ),
        (
            "04_ethics",
            "gender_shades_face_plus_plus_overall",
            (0.0918, None, None),
            "face-plus-plus-adds-up",
        ),
        (
            "02_model_building",
            "num_parameters",
            (1676843, None, None),
            "the-classifier-is-one-function",
        ),
    ],
)
def test_one_number_changed_turns_its_claim_red(course, lesson, name, numbers, claim):
    write_run(course / "notebooks", change(GOOD_RUN, lesson, name, numbers))
    failed = failures(check(course))
    assert list(failed) == [claim]
    assert "the run contradicts it" in failed[claim]
    assert name in failed[claim] and f"value {numbers[0]:.12g}" in failed[claim]


def test_a_run_elsewhere_takes_the_place_of_the_stored_outputs(course):
    write_run(course / "run", change(GOOD_RUN, "04_ethics", "gap_change", (-0.1, -0.2, 0.0)))
    assert failures(check(course)) == {}
    assert list(failures(check(course, run=course / "run"))) == ["rare-palette-widens-gap"]


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        (None, "no record 'gap_change'"),
        (("much", None, None), "is the text 'much'"),
        ((0.12, None, None), "without interval"),
        ((None, None, None), "without interval"),
    ],
)
def test_a_record_that_cannot_answer_is_named(course, numbers, message):
    run = {lesson: dict(records) for lesson, records in GOOD_RUN.items()}
    del run["04_ethics"]["gap_change"]
    if numbers:
        run = change(run, "04_ethics", "gap_change", numbers)
    write_run(course / "notebooks", run)
    failed = failures(check(course))
    assert list(failed) == ["rare-palette-widens-gap"]
    assert message in failed["rare-palette-widens-gap"]


def test_a_lesson_that_was_not_run_is_named(course):
    (course / "notebooks" / "02_model_building.ipynb").unlink()
    failed = failures(check(course))
    assert "02_model_building is not among those that were run" in "".join(failed.values())


def test_a_run_of_some_lessons_leaves_the_claims_of_the_others_unchecked(course):
    (course / "run").mkdir()
    write_notebook(
        course / "run" / "02_model_building.ipynb", {"num_parameters": (1676843, None, None)}
    )
    verdicts = check(course, run=course / "run")
    assert list(failures(verdicts)) == ["the-classifier-is-one-function"]
    not_run = {one.subject: one.reason for one in verdicts if one.outcome == "not run"}
    assert not_run["rare-palette-widens-gap"] == "04_ethics not in this run"
    measured = [one for one in load_claims(course / "essays" / "claims.yaml") if one.has_interval]
    assert {one.id for one in measured} <= not_run.keys()
    assert {one.outcome for one in verdicts} == set(Outcome)


def test_a_run_without_any_lesson_that_a_claim_is_about_is_refused(course):
    (course / "run").mkdir()
    write_notebook(course / "run" / "01_data_loading.ipynb", {})
    write_notebook(course / "notebooks" / "01_data_loading.ipynb", {})
    with pytest.raises(ClaimsError, match="the claims are about 02_model_building, 04_ethics"):
        check(course, run=course / "run")


def test_wrong_folders_and_broken_notebooks_are_refused(course, tmp_path):
    with pytest.raises(ClaimsError, match="no folder 'essays'"):
        check(tmp_path / "elsewhere")
    with pytest.raises(ClaimsError, match="holds no notebooks"):
        check(course, run=tmp_path / "elsewhere")
    (course / "notebooks" / "04_ethics.ipynb").write_text("{")
    with pytest.raises(ClaimsError, match=r"04_ethics\.ipynb is no notebook"):
        check(course)


# Essays and sources

ESSAY = "01_what_training_on_images_can_do"
MARK = "(claim-rare-palette-widens-gap)=\n"


def test_a_claim_that_no_essay_makes_is_named(course):
    edit(course, f"{ESSAY}.md", MARK, "")
    assert "it is in no essay" in failures(check(course))["rare-palette-widens-gap"]


def test_a_claim_made_twice_is_named(course):
    edit(course, "02_faces_deepfakes_and_privacy.md", "(claim-liars-gain-too)=\n", MARK * 2)
    failed = failures(check(course))
    assert set(failed) == {"rare-palette-widens-gap", "liars-gain-too"}
    assert "is in 01_what" in failed["rare-palette-widens-gap"]


def test_a_claim_that_is_not_in_the_ledger_is_named(course):
    edit(course, f"{ESSAY}.md", MARK, MARK + "(claim-from-nowhere)=\n")
    assert failures(check(course)) == {ESSAY: "the claim 'from-nowhere' is not in claims.yaml"}


def test_an_unknown_source_of_an_essay_is_named(course):
    edit(course, f"{ESSAY}.md", "{cite}`xiao2021`", "{cite:t}`xiao2021, nobody1999`")
    assert failures(check(course)) == {ESSAY: "the source 'nobody1999' is not in references.bib"}


def test_an_unknown_source_of_a_claim_is_named(course):
    edit(course, "claims.yaml", "key: xiao2021", "key: nobody1999")
    assert (
        "'nobody1999' is not in references.bib" in failures(check(course))["short-cuts-and-places"]
    )


def test_a_source_that_the_essay_does_not_cite_is_named(course):
    edit(course, f"{ESSAY}.md", " {cite}`xiao2021`", "")
    assert "does not cite its source 'xiao2021'" in failures(check(course))["short-cuts-and-places"]


def test_a_judgement_without_its_section_is_named(course):
    edit(course, "claims.yaml", "section: What an engineer can do", "section: Elsewhere")
    assert "has no section 'Elsewhere'" in failures(check(course))["measuring-is-a-duty"]


def test_a_source_that_nothing_cites_is_named_until_a_lesson_cites_it(course):
    path = course / "essays" / "references.bib"
    unused = "@misc{jordan2024, author = {Jordan, Keller}, title = {Fast}, eprint = {2404.00498}}"
    path.write_text(path.read_text(encoding="utf-8") + unused, encoding="utf-8")
    assert failures(check(course)) == {"references.bib: jordan2024": "nothing cites it"}
    prose = "As {cite:t}`jordan2024` shows."
    write_notebook(course / "notebooks" / "03_training.ipynb", {}, prose=prose)
    assert failures(check(course)) == {}


@pytest.mark.parametrize(
    ("fields", "ok"),
    [
        ("doi = {10.1/1}", True),
        ("url = {https://example.org}", True),
        ("eprint = {2404.00498}", True),
        ("journal = {Journal}, pages = {1--2}", True),
        ("booktitle = {Proceedings}, pages = {1--2}", True),
        ("journal = {Journal}", False),
        ("pages = {1--2}", False),
        ("doi = {}", False),
        ("note = {ResearchGate}", False),
    ],
)
def test_a_source_that_nobody_could_find_is_named(course, fields, ok):
    entry = "@article{someone2020, author = {One, Some}, title = {A title}, year = {2020}, %s}"
    path = course / "essays" / "references.bib"
    path.write_text(path.read_text(encoding="utf-8") + entry % fields, encoding="utf-8")
    prose = "{cite}`someone2020`"
    write_notebook(course / "notebooks" / "03_training.ipynb", {}, prose=prose)
    failed = failures(check(course))
    assert ("no DOI" not in failed.get("references.bib: someone2020", "")) == ok


@pytest.mark.parametrize(
    "text",
    ["@misc{a, title = {A}}\n@misc{a, title = {B}}", "@misc{a, title = {A", "@misc{a title}"],
)
def test_faulty_bibtex_is_refused(tmp_path, text):
    path = tmp_path / "references.bib"
    path.write_text(text)
    with pytest.raises(ClaimsError, match=r"references\.bib"):
        load_bibliography(path)


def test_all_ways_of_citing_are_seen(tmp_path):
    path = tmp_path / "01_essay.md"
    path.write_text("{cite}`a2001,b2002` {cite:t}`c2003` {cite:p}`d2004, e2005` `{cite}`")
    assert read_text(path).citations == {"a2001", "b2002", "c2003", "d2004", "e2005"}


# The lessons as they are stored


def measured_lessons():
    claims = load_claims(COURSE / "essays" / "claims.yaml")
    return {
        piece.lesson
        for claim in claims
        for piece in claim.evidence
        if isinstance(piece, Measurement)
    }


needs_lessons = pytest.mark.skipif(
    not all((COURSE / "notebooks" / f"{name}.ipynb").exists() for name in measured_lessons()),
    reason="the lessons that the ledger names are not all there",
)


@needs_lessons
def test_the_stored_lessons_bear_out_the_claims():
    assert failures(check(COURSE)) == {}


@needs_lessons
def test_a_number_altered_in_a_stored_lesson_turns_its_claim_red(course):
    for lesson in measured_lessons():
        shutil.copy(COURSE / "notebooks" / f"{lesson}.ipynb", course / "notebooks")
    path = course / "notebooks" / "02_model_building.ipynb"
    text = path.read_text(encoding="utf-8")
    assert '"value": 1676842' in text
    path.write_text(text.replace('"value": 1676842', '"value": 1676843'), encoding="utf-8")
    assert "the-classifier-is-one-function" in failures(check(course))
