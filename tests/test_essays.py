"""The essays: their form, and the figures that can be recomputed."""

import itertools
import re
from pathlib import Path

import pytest
import yaml
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from course_utils.claims import load_bibliography, load_claims, read_text

ESSAYS = Path(__file__).parents[1] / "essays"
PAGES = sorted(ESSAYS.glob("*.md"))
PROSE = sorted(ESSAYS.glob("[0-9][0-9]_*.md"))
by_name = pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
by_essay = pytest.mark.parametrize("path", PROSE, ids=lambda path: path.name)


def paragraphs(path):
    return path.read_text(encoding="utf-8").split("\n\n")


def words(path):
    return " ".join(path.read_text(encoding="utf-8").split())


# Form


@by_name
def test_headings_form_an_outline(path):
    levels = [level for level, _ in read_text(path).headings]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(deeper - level <= 1 for level, deeper in itertools.pairwise(levels))


@by_name
def test_links_have_words_and_lead_somewhere(path):
    for text, target in re.findall(r"\[([^]]*)\]\(([^)]*)\)", path.read_text(encoding="utf-8")):
        assert len(text.strip()) > 3
        assert text.lower() not in ("here", "link", "this")
        assert (ESSAYS / target).is_file()


@by_name
def test_pages_show_no_pictures_and_no_html(path):
    text = path.read_text(encoding="utf-8")
    assert "![" not in text
    assert not re.search(r"<[a-z!/]", text)


@by_name
def test_spelling_is_british(path):
    american = r"\b\w*(olor|avior|gray|abeled|ecogniz|rganiz|nalyz|(?<!da)ta-?center)\w*\b"
    assert not re.search(american, path.read_text(encoding="utf-8"))


@by_essay
def test_every_mark_stands_on_a_paragraph(path):
    marked = [one for one in paragraphs(path) if one.startswith("(claim-")]
    assert marked
    assert not [one for one in marked if len(one.splitlines()) == 1]


@by_essay
def test_essays_are_prose(path):
    for paragraph in paragraphs(path):
        assert not re.match(r"([-*+]|\d+\.)\s", paragraph)


@by_essay
def test_every_statistic_belongs_to_a_claim(path):
    statistics = [one for one in paragraphs(path) if re.search(r"\d\s?%|\$\d|\d\.\d", one)]
    assert statistics
    assert not [one for one in statistics if not one.startswith("(claim-")]


@by_essay
def test_every_source_and_claim_resolves(path):
    text = read_text(path)
    assert text.citations <= set(load_bibliography(ESSAYS / "references.bib"))
    assert set(text.claim_ids) == {
        claim.id for claim in load_claims(ESSAYS / "claims.yaml") if claim.essay == path.stem
    }


def test_sources_are_in_order_and_authors_spelt_right():
    bibliography = load_bibliography(ESSAYS / "references.bib")
    assert list(bibliography) == sorted(bibliography)
    surnames = [
        person.last_names[0]
        for entry in bibliography.values()
        for person in entry.persons["author"]
    ]
    assert surnames.count("Buolamwini") == 3
    assert not [
        name for name in surnames if re.fullmatch("Bu?ol?.*win.*", name) and name != "Buolamwini"
    ]


def test_strubell_is_never_cited_without_patterson():
    cited = [
        {name for name in ("strubell2019", "patterson2021") if name in paragraph}
        for path in PROSE
        for paragraph in paragraphs(path)
    ]
    assert {"strubell2019", "patterson2021"} in cited
    assert not [names for names in cited if len(names) == 1]


def test_law_is_dated_and_the_hard_case_announced():
    path = ESSAYS / "02_faces_deepfakes_and_privacy.md"
    notice = paragraphs(path)[1].replace("\n> ", " ")
    assert "as of November 2026" in notice and "not legal advice" in notice
    for section in ("January 2024", "What the law says", "When a synthetic face protects"):
        assert f'"{section}"' in notice
        assert section in read_text(path).sections


def test_the_templates_ledger_is_a_ledger(tmp_path):
    text = (ESSAYS / "template.md").read_text(encoding="utf-8")
    block = re.search(r"> ```yaml\n(.*?)> ```", text, re.DOTALL)[1]
    ledger = tmp_path / "claims.yaml"
    ledger.write_text(re.sub("^> ?", "", block, flags=re.MULTILINE), encoding="utf-8")
    claims = load_claims(ledger)
    assert {claim.kind for claim in claims} == {"measured", "cited", "value"}
    assert {claim.id for claim in claims} == set(read_text(ESSAYS / "template.md").claim_ids)
    assert yaml.safe_load(ledger.read_text())[0]["essay"] == "03_my_essay"


# Figures

TRAINING = ESSAYS / "01_what_training_on_images_can_do.md"
PORTRAITS = 1270
SHARES = {"DF": 21.3, "DM": 25.0, "LF": 23.3, "LM": 30.3}
COUNTS = {"DF": 271, "DM": 318, "LF": 296, "LM": 385}
FACE_PLUS_PLUS = {"DF": 34.5, "DM": 0.7, "LF": 9.8, "LM": 0.8}


def overall(errors):
    return sum(errors[group] * count for group, count in COUNTS.items()) / PORTRAITS


def test_label_errors_and_their_interval():
    low, high = proportion_confint(54, 10_000, method="wilson")
    said = f"{54 / 10_000:.2%}, with a 95 % interval from {100 * low:.2f} to {100 * high:.2f} %"
    assert said.replace("%,", " %,", 1) in words(TRAINING)


def test_duplicates_and_their_sum():
    assert round(100 * (286 + 39) / 10_000, 2) == 3.25
    assert f"be {100 * 286 / 10_000:.2f} %" in words(TRAINING)


def test_only_one_set_of_counts_fits_the_published_shares():
    options = [
        [count for count in range(PORTRAITS) if round(100 * count / PORTRAITS, 1) == share]
        for share in SHARES.values()
    ]
    fitting = [counts for counts in itertools.product(*options) if sum(counts) == PORTRAITS]
    assert fitting == [tuple(COUNTS.values())]


def test_ibms_gap():
    errors = round(0.347 * COUNTS["DF"]), round(0.003 * COUNTS["LM"])
    assert errors == (94, 1)
    low, high = confint_proportions_2indep(
        errors[0], COUNTS["DF"], errors[1], COUNTS["LM"], method="newcomb", compare="diff"
    )
    assert (round(100 * low, 1), round(100 * high, 1)) == (28.9, 40.3)
    assert "begins above 28 points" in words(TRAINING)


def test_face_plus_plus_adds_up_with_the_studys_figure_and_not_the_presss():
    assert overall(FACE_PLUS_PLUS) == pytest.approx(10.0, abs=0.1)
    press = overall(FACE_PLUS_PLUS | {"LF": 6.0})
    assert 9 < press < 9.3
    assert "little more than 9 % overall" in words(TRAINING)


@pytest.mark.parametrize("rate", [34.5, 20.8])
def test_some_published_rates_are_no_whole_number_of_portraits(rate):
    count = COUNTS["DF"]
    assert rate not in [round(100 * errors / count, 1) for errors in range(count + 1)]
    assert str(rate) in words(TRAINING)


def test_what_a_blur_gained_on_imagenet():
    pairs = [("78.18", "82.51"), ("88.52", "90.19"), ("85.11", "88.25")]
    gains = [round(float(after) - float(before), 1) for before, after in pairs]
    assert (min(gains), max(gains)) == (1.7, 4.3)
    for before, after in pairs:
        assert f"{before} to {after} %" in words(TRAINING)
