"""What Canvas and Moodle export, scores, and strategies for both."""

import csv
import io
from dataclasses import replace
from datetime import datetime

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from course_utils.grading.lms.scores import Score

CANVAS = """Student,ID,SIS User ID,SIS Login ID,Section,Training (77),Ethics (78),Final Score
    Points Possible,,,,,10,4,(read only)
,,,,,Manual Posting,,
"Lovelace, Ada",11,S1,ada,A,,3.5,80
"Hopper, Grace",12,S2,grace,A,EX,,
"Turing, Alan",13,S3,alan,B,2,N/A,
"Student, Test",99,,f00f,A,,,
"""


MOODLE = """Identifier,Full name,Email address,Status,Grade,Maximum Grade,Grade can be changed,\
Last modified (submission),Last modified (grade),Feedback comments
Participant 501,Ada Lovelace,ada@example.org,Submitted for grading - ,,10.00,Yes,\
"Monday, 2 March 2026, 9:00 AM",-,
Participant 502,Grace Hopper,grace@example.org,Submitted for grading - ,3.00,10.00,Yes,-,\
"Tuesday, 3 March 2026, 9:00 AM",old
"""


WORKSHEETS = {
    "German": (
        "ID,Vollständiger Name,E-Mail-Adresse,Status,Bewertung,Bestwertung,"
        "Bewertung kann geändert werden,Zuletzt geändert (Abgabe),Zuletzt geändert (Bewertung),"
        'Feedback als Kommentar\nTeilnehmer/in501,Ada,ada@example.org,x,,"10,00",Ja,-,-,\n'
    ),
    "French": (
        "Identifiant,Nom complet,Adresse de courriel,Statut,Note,Note maximale,"
        "La note peut être modifiée,Dernière modification (travail remis),"
        "Dernière modification (note),Feedback par commentaires\n"
        'Participant501,Ada,ada@example.org,x,,"10,00",Oui,-,-,\n'
    ),
    "Japanese": (
        "識別子,フルネーム,メールアドレス,ステータス,評定,最大評定,評定変更可,"
        "最終更新日時 (提出),最終更新日時 (評定),フィードバックコメント\n"
        "参加者501,Ada,ada@example.org,x,,10.00,はい,-,-,\n"
    ),
}


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)


FORMULAS = st.sampled_from(
    ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", " =1"]
)


CELLS = TEXT | FORMULAS


SCORES = st.builds(
    Score,
    assignment=st.just("Training"),
    learner=CELLS,
    first_name=CELLS,
    last_name=CELLS,
    email=CELLS,
    lms_user_id=CELLS,
    duedate=st.none(),
    timestamp=st.none() | st.datetimes(),
    submitted=st.booleans(),
    raw_score=st.floats(0, 100),
    penalty=st.floats(0, 10),
    max_score=st.just(10.0),
    needs_manual_grade=st.booleans(),
    comments=st.lists(CELLS, max_size=2).map(tuple),
)


property_settings = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def make_score(learner, raw_score=7.0, **changes):
    score = Score(
        "Training",
        learner,
        first_name="",
        last_name="",
        email="",
        lms_user_id="",
        duedate=None,
        timestamp=datetime(2026, 3, 1, 12, 0),
        submitted=True,
        raw_score=raw_score,
        penalty=0.0,
        max_score=10.0,
        needs_manual_grade=False,
        comments=(),
    )
    return replace(score, **changes)


def write(path, text):
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def read(path, delimiter=","):
    text = path.read_bytes().decode()
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))


def by_first(rows):
    return {row[0]: row for row in rows}
