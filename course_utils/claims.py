"""Claims: what the essays say, and whether the evidence says so too.

``essays/claims.yaml`` is the ledger of what the essays assert. An essay marks the paragraph that
makes a claim with a MyST target on a line of its own, ``(claim-rare-palette-widens-gap)=``, which
a web page turns into a place to link to. A claim is one of three kinds:

* *measured*: a record of a lesson meets a condition, such as ``low > 0``;
* *cited*: a source of ``essays/references.bib`` says so, at a given place;
* *value*: a judgement, argued in a section of the essay, next to the strongest objection to it.

``course claims [--run DIR]`` shows what :func:`check` returns::

    verdicts = check(course_folder, run=run_folder)
    failed = any(verdict.outcome == Outcome.fails for verdict in verdicts)
"""

import json
import operator
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from itertools import combinations_with_replacement, pairwise
from pathlib import Path
from typing import Any

import pybtex.database
import yaml
from pybtex.exceptions import PybtexError

from course_utils.execution.records import Record, collect
from course_utils.files import finish

Bibliography = Mapping[str, Any]
"""Citation key to pybtex entry."""

Records = Mapping[str, Mapping[str, Record]]
"""Lesson to record name to record."""


class ClaimsError(Exception):
    """A file of the essays cannot be read; the message says where and why."""


class Outcome(StrEnum):
    """What came of one check."""

    holds = "holds"
    fails = "fails"
    not_run = "not run"


@dataclass(frozen=True)
class Verdict:
    """The outcome of one check.

    Attributes:
        subject: what was checked: a claim's id, or a file and a citation key.
        outcome: whether it holds; ``not run`` where a lesson with its evidence is not in the run.
        reason: the evidence when it holds, what is wrong or missing when it does not.
    """

    subject: str
    outcome: Outcome
    reason: str


# Conditions

_OPERATORS = {
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    ">=": operator.ge,
    ">": operator.gt,
}
_TERM = r"(?:value|low|high|-?\d+(?:\.\d+)?)"
_OPERATOR = r"(?:<=|>=|==|<|>)"
_COMPARISON = re.compile(rf"{_TERM}(?:\s*{_OPERATOR}\s*{_TERM})+", re.ASCII)
_TOKEN = re.compile(rf"{_OPERATOR}|{_TERM}", re.ASCII)


@dataclass(frozen=True)
class Condition:
    """A condition on a record, made by :func:`parse_condition`.

    Attributes:
        text: as it stands in the ledger.
        comparisons: each a left side, an operator and a right side.
    """

    text: str
    comparisons: tuple[tuple[str, str, str], ...]

    def __str__(self) -> str:
        return self.text

    @property
    def needs_interval(self) -> bool:
        """Whether it speaks of an end of the interval."""
        return any(end in comparison for comparison in self.comparisons for end in ("low", "high"))

    def holds(self, *, value: float, low: float | None = None, high: float | None = None) -> bool:
        """Compare the numbers; a missing end of the interval (None) meets no condition."""
        known = {"value": value, "low": low, "high": high}

        def number(term: str) -> float:
            found = known[term] if term in known else float(term)
            return float("nan") if found is None else found

        return all(_OPERATORS[sign](number(a), number(b)) for a, sign, b in self.comparisons)


def parse_condition(text: str) -> Condition:
    """Read a condition: chains of comparisons, joined by ``and``.

    ``value``, ``low`` and ``high`` stand for the record's numbers; everything else is a decimal
    number. Nothing is ever evaluated as Python.

    Args:
        text: such as ``0.343 < value < 0.345 and low > 0.28``.

    Raises:
        ClaimsError: the text is no such condition, or says nothing about the record.
    """
    comparisons: list[tuple[str, str, str]] = []
    for part in re.split(r"\sand\s", text):
        tokens = _TOKEN.findall(part) if _COMPARISON.fullmatch(part.strip()) else []
        if not {"value", "low", "high"} & set(tokens):
            raise ClaimsError(
                f"{text!r} is no condition: write comparisons of value, low and high with numbers, "
                "such as 'low > 0' or '0.6 < value < 0.95'"
            )
        comparisons += zip(tokens[0:-1:2], tokens[1::2], tokens[2::2], strict=True)
    return Condition(text, tuple(comparisons))


def _can_fail(condition: Condition) -> bool:
    """Tell whether a possible record, with its value inside its interval, fails a condition.

    Where all its numbers lie from -1 to 1, it is taken to be about shares or their differences.
    """
    terms = {term for one, _, other in condition.comparisons for term in (one, other)}
    numbers = {float(term) for term in terms - {"value", "low", "high"}} | {0.0}
    widest = max(map(abs, numbers))
    end = 1.0 if widest <= 1 else 2 * widest
    marks = sorted(numbers | {-end, end})
    marks += [(one + other) / 2 for one, other in pairwise(marks)]
    return not all(
        condition.holds(value=value, low=low, high=high)
        for low, value, high in combinations_with_replacement(sorted(marks), 3)
    )


# The ledger


@dataclass(frozen=True)
class Measurement:
    """Evidence for a measured claim: a record of a lesson, and the condition it must meet."""

    record: str
    lesson: str
    condition: Condition


@dataclass(frozen=True)
class Reference:
    """Evidence for a cited claim: a source, and the page, table or section in it."""

    key: str
    locator: str


@dataclass(frozen=True)
class Argument:
    """Grounds of a value claim: the section that argues it, and the strongest objection."""

    section: str
    objection: str


Evidence = Measurement | Reference | Argument

_EVIDENCE: dict[str, type[Evidence]] = {
    "measured": Measurement,
    "cited": Reference,
    "value": Argument,
}


@dataclass(frozen=True)
class Claim:
    """A statement of an essay with its evidence.

    Attributes:
        id: its name, lower-case words joined by hyphens.
        essay: the essay that makes it (file name without ``.md``).
        statement: the claim in one sentence.
        kind: ``measured``, ``cited`` or ``value``.
        evidence: at least one piece, of the sort that the kind asks for.
    """

    id: str
    essay: str
    statement: str
    kind: str
    evidence: tuple[Evidence, ...]

    @property
    def has_interval(self) -> bool:
        """Whether a condition of its evidence speaks of an interval."""
        return any(
            isinstance(piece, Measurement) and piece.condition.needs_interval
            for piece in self.evidence
        )


def load_claims(path: Path) -> tuple[Claim, ...]:
    """Read the ledger.

    Args:
        path: the YAML file, a list of claims.

    Raises:
        ClaimsError: with file and line: no YAML, a field that is missing, unknown or of the wrong
            type, a claim without evidence, a condition that can't be read or that nothing can fail,
            an id used twice.
    """
    text = _read(path)
    try:
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
        entries = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ClaimsError(f"{path.name} is not YAML: {error}") from None
    if tree is None or not isinstance(entries, list):
        raise ClaimsError(f"{path.name} is a list of claims, each beginning with '- id:'")
    claims: dict[str, Claim] = {}
    for node, entry in zip(tree.value, entries, strict=True):
        place = f"{path.name}, line {node.start_mark.line + 1}"
        try:
            claim = _make_claim(entry)
        except ClaimsError as error:
            raise ClaimsError(f"{place}: {error}") from None
        if claim.id in claims:
            raise ClaimsError(f"{place}: there is a claim {claim.id!r} already")
        claims[claim.id] = claim
    return tuple(claims.values())


def _make_claim(entry: object) -> Claim:
    claim = _read_fields(entry, of=Claim, texts=("id", "essay", "statement", "kind"))
    name, kind, evidence = claim["id"], claim["kind"], claim["evidence"]
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name):
        raise ClaimsError(f"the id {name!r} is not lower-case words joined by hyphens")
    if kind not in _EVIDENCE:
        raise ClaimsError(
            f"claim {name!r}: its kind is {kind!r}, not one of {', '.join(_EVIDENCE)}"
        )
    if not isinstance(evidence, list) or not evidence:
        raise ClaimsError(f"claim {name!r} has no evidence: 'evidence' is a list of at least one")
    try:
        pieces = tuple(_make_evidence(piece, of=_EVIDENCE[kind]) for piece in evidence)
    except ClaimsError as error:
        raise ClaimsError(f"claim {name!r}: {error}") from None
    return Claim(**(claim | {"evidence": pieces}))


def _make_evidence(piece: object, *, of: type[Evidence]) -> Evidence:
    values = _read_fields(piece, of=of, texts=[field.name for field in fields(of)])
    if of is Measurement:
        values["condition"] = parse_condition(values["condition"])
        if not _can_fail(values["condition"]):
            raise ClaimsError(
                f"{values['condition']} can't fail: every possible record meets it, so it is no "
                "evidence; write what a run could contradict"
            )
    return of(**values)


def _read_fields(entry: object, *, of: type, texts: Collection[str]) -> dict[str, Any]:
    """Return the mapping's fields if they are those of the dataclass, and its texts are texts."""
    expected = [field.name for field in fields(of)]
    if not isinstance(entry, dict) or set(entry) != set(expected):
        found = ", ".join(map(str, entry)) if isinstance(entry, dict) else repr(entry)
        raise ClaimsError(f"expected the fields {', '.join(expected)}, found {found}")
    for name in texts:
        if not isinstance(entry[name], str) or not entry[name].strip():
            raise ClaimsError(f"{name!r} is {entry[name]!r}, not a text")
    return dict(entry)


# Essays, notebooks and references


@dataclass(frozen=True)
class Text:
    """What an essay, or the prose of a notebook, refers to.

    Attributes:
        name: its file name without the ending.
        headings: level (1 to 6) and wording of each, in order.
        claim_ids: the claims it marks, in order.
        citations: the keys it cites.
    """

    name: str
    headings: tuple[tuple[int, str], ...]
    claim_ids: tuple[str, ...]
    citations: frozenset[str]

    @property
    def sections(self) -> tuple[str, ...]:
        """The wording of the headings."""
        return tuple(words for _, words in self.headings)


_HEADING = re.compile(r"^(#{1,6})\s+(.+?)\s*$", re.MULTILINE)
_CLAIM = re.compile(r"^\(claim-([^)\n]+)\)=\s*$", re.MULTILINE)
_CITATION = re.compile(r"\{cite(?::[a-z]+)?\}`([^`]+)`")


def read_text(path: Path) -> Text:
    """Read a Markdown file, or the Markdown cells of a notebook.

    Raises:
        ClaimsError: a notebook that is not JSON.
    """
    source = _read(path)
    if path.suffix == ".ipynb":
        source = _prose(source, name=path.name)
    return Text(
        name=path.stem,
        headings=tuple((len(marks), words) for marks, words in _HEADING.findall(source)),
        claim_ids=tuple(_CLAIM.findall(source)),
        citations=frozenset(
            key.strip() for keys in _CITATION.findall(source) for key in keys.split(",")
        ),
    )


def _prose(source: str, *, name: str) -> str:
    try:
        cells = json.loads(source)["cells"]
        return "\n\n".join(
            "".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ClaimsError(f"{name} is no notebook: {error!r}") from None


def load_bibliography(path: Path) -> Bibliography:
    """Read the BibTeX file.

    Raises:
        ClaimsError: no BibTeX, or a key used twice; the message has the line.
    """
    try:
        data = pybtex.database.parse_string(_read(path), bib_format="bibtex")
    except PybtexError as error:
        raise ClaimsError(f"{path.name}: {error}") from None
    return dict(data.entries.items())


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ClaimsError(f"{path} cannot be read: {error}") from None


# Verdicts


def check(folder: Path, *, run: Path | None = None) -> list[Verdict]:
    """Check the essays of a course against the results of its lessons.

    Args:
        folder: the course's folder, with ``essays/`` and ``notebooks/`` in it.
        run: a folder with executed lessons, such as ``course run`` leaves behind; without it, the
            outputs stored in ``notebooks/`` count.

    Returns:
        A verdict for each claim, each text and each reference.

    Raises:
        ClaimsError: a file cannot be read, or ``run`` has no lesson that a claim is about.
    """
    essays_folder, lessons_folder = folder / "essays", folder / "notebooks"
    if not essays_folder.is_dir():
        raise ClaimsError(f"{folder} has no folder 'essays': name the folder of the course")
    if run and run.is_dir():
        finish(run)
    executed = sorted((run or lessons_folder).glob("*.ipynb"))
    if run and not executed:
        raise ClaimsError(f"{run} holds no notebooks: make them with 'course run --output {run}'")
    try:
        records = {path.stem: collect(path) for path in executed}
    except ValueError as error:
        raise ClaimsError(str(error)) from None
    essays = [read_text(path) for path in sorted(essays_folder.glob("[0-9][0-9]_*.md"))]
    lessons = [read_text(path) for path in sorted(lessons_folder.glob("*.ipynb"))]
    claims = load_claims(essays_folder / "claims.yaml")
    bibliography = load_bibliography(essays_folder / "references.bib")
    not_run = {lesson.name for lesson in lessons} - records.keys()
    if (needed := _lessons_of(claims)) and needed <= not_run:
        raise ClaimsError(
            f"no claim can be checked with {run}: the claims are about {', '.join(sorted(needed))}"
        )
    return [
        *check_claims(claims, records, bibliography=bibliography, essays=essays, not_run=not_run),
        *check_texts(claims, [*essays, *lessons], bibliography=bibliography),
        *check_references(bibliography, claims, texts=[*essays, *lessons]),
    ]


def _lessons_of(claims: Collection[Claim]) -> set[str]:
    return {
        piece.lesson
        for claim in claims
        for piece in claim.evidence
        if isinstance(piece, Measurement)
    }


def check_claims(
    claims: Collection[Claim],
    records: Records,
    *,
    bibliography: Bibliography,
    essays: Collection[Text],
    not_run: Collection[str] = (),
) -> list[Verdict]:
    """Check that each claim is made in its essay, and that its evidence bears it out.

    Args:
        claims: the ledger.
        records: what the lessons recorded.
        bibliography: the known sources.
        essays: the essays.
        not_run: lessons of the course without records, because they were not run.

    Returns:
        One verdict for each claim; a failed one gives every reason.
    """
    by_name = {essay.name: essay for essay in essays}
    verdicts = []
    for claim in claims:
        problems = [
            problem
            for piece in claim.evidence
            if not (isinstance(piece, Measurement) and piece.lesson in not_run)
            if (problem := _question(piece, records, bibliography, by_name.get(claim.essay)))
        ]
        places = [essay.name for essay in essays for name in essay.claim_ids if name == claim.id]
        if places != [claim.essay]:
            found = " and ".join(places) or "no essay"
            problems.append(f"(claim-{claim.id})= belongs in {claim.essay}, once; it is in {found}")
        missing = sorted(_lessons_of([claim]) & set(not_run))
        if missing and not problems:
            reason = f"{' and '.join(missing)} not in this run"
            verdicts.append(Verdict(claim.id, Outcome.not_run, reason))
        else:
            grounds = [_describe(piece) for piece in claim.evidence]
            verdicts.append(_verdict(claim.id, problems, grounds))
    return verdicts


def _verdict(subject: str, problems: Collection[str], grounds: Collection[str]) -> Verdict:
    outcome = Outcome.fails if problems else Outcome.holds
    return Verdict(subject, outcome, _join(problems or grounds))


def _join(reasons: Collection[str]) -> str:
    return "; ".join(dict.fromkeys(reasons))


def _question(
    piece: Evidence, records: Records, bibliography: Bibliography, essay: Text | None
) -> str | None:
    """Say what is wrong with a piece of evidence, if anything is."""
    match piece:
        case Measurement():
            return _question_measurement(piece, records)
        case Reference(key=key) if key not in bibliography:
            return f"its source {key!r} is not in references.bib"
        case Reference(key=key) if essay and key not in essay.citations:
            return f"the essay {essay.name} does not cite its source {key!r}"
        case Argument(section=section) if essay and section not in essay.sections:
            return f"the essay {essay.name} has no section {section!r}"
    return None


def _question_measurement(measurement: Measurement, records: Records) -> str | None:
    name, lesson, condition = measurement.record, measurement.lesson, measurement.condition
    if lesson not in records:
        return f"the lesson {lesson} is not among those that were run"
    record = records[lesson].get(name)
    if record is None:
        return f"the lesson {lesson} has no record {name!r}"
    if isinstance(record.value, str):
        return f"the record {name} is the text {record.value!r}, and {condition} needs a number"
    if condition.needs_interval and (record.low is None or record.high is None):
        return f"the record {name} is {record.value:.12g} without interval; {condition} needs one"
    if condition.holds(value=record.value, low=record.low, high=record.high):
        return None
    interval = "" if record.low is None else f", low {record.low:.12g}, high {record.high:.12g}"
    return (
        f"the run contradicts it: {name} in {lesson} is value {record.value:.12g}{interval}, "
        f"and the claim needs {condition}"
    )


def _describe(piece: Evidence) -> str:
    if isinstance(piece, Measurement):
        return f"{piece.lesson}: {piece.record}: {piece.condition}"
    if isinstance(piece, Reference):
        return f"{piece.key}, {piece.locator}"
    return f"argued in '{piece.section}'"


def check_texts(
    claims: Collection[Claim], texts: Collection[Text], *, bibliography: Bibliography
) -> list[Verdict]:
    """Check that what each text refers to exists: its claims in the ledger, its sources."""
    known = {claim.id: claim for claim in claims}
    verdicts = []
    for text in texts:
        problems = [
            f"the claim {name!r} is not in claims.yaml"
            for name in text.claim_ids
            if name not in known
        ]
        problems += [
            f"the source {key!r} is not in references.bib"
            for key in sorted(text.citations - set(bibliography))
        ]
        with_interval = sum(known[name].has_interval for name in text.claim_ids if name in known)
        found = (
            f"{len(text.claim_ids)} claims, {with_interval} of them on an interval; "
            f"{len(text.citations)} sources"
        )
        verdicts.append(_verdict(text.name, problems, [found]))
    return verdicts


def check_references(
    bibliography: Bibliography, claims: Collection[Claim], *, texts: Collection[Text]
) -> list[Verdict]:
    """Check that each source can be found by a reader, and is used by a text or a claim."""
    used = {key for text in texts for key in text.citations} | set(_cited_keys(claims))
    verdicts = []
    for key, entry in bibliography.items():
        given = {name.lower() for name, content in entry.fields.items() if content.strip()}
        problems = []
        if not (given & set(_PLACES) or ("pages" in given and given & {"journal", "booktitle"})):
            problems.append("it has no DOI, URL, arXiv id (eprint), or journal and pages")
        if key not in used:
            problems.append("nothing cites it")
        place = next((entry.fields[name] for name in _PLACES if name in given), "in print")
        verdicts.append(_verdict(f"references.bib: {key}", problems, [place]))
    return verdicts


_PLACES = ("doi", "eprint", "url")


def _cited_keys(claims: Collection[Claim]) -> Iterator[str]:
    for claim in claims:
        yield from (piece.key for piece in claim.evidence if isinstance(piece, Reference))
