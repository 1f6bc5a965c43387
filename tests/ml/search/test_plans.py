"""By which indexes a search finds, in a library of 50,000 files."""

import re
from typing import Any

from django.db import connection

from alcoves.accounts.models import User
from media.models import Folder, Library, Original
from ml.models import Person
from ml.search import statements
from ml.search.filters import Filters
from ml.search.query import parse
from ml.search.sources import Looking, Values
from ml.search.statements import Part, Statement
from tests.afresh import afresh
from tests.ml.search.many import Much, fill
from tests.ml.search.things import switch_on

MUCH = Much(50_000, people=5000, things=1, segments=2)
INDEXES = (
    "file_live_by_words_of_name",
    "original_by_words",
    "person_by_words_of_name",
    "object_by_label",
    "sound_by_label",
    "transcript_by_words",
)
TABLES = ("media_file", "media_original", "ml_transcript", "ml_objectdetection", "ml_soundevent")


def plan(statement: Statement) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {statement[0]}", statement[1])
        return "\n".join(row[0] for row in cursor.fetchall())


def look(user: User, typed: str, **options: Any) -> Looking:
    return Looking(parse(typed), user.pk, None, Values(), **options)


def read_whole(found: str, tables: tuple[str, ...]) -> list[str]:
    return [table for table in tables if re.search(rf"Seq Scan on {table}\b", found)]


def test_indexes_are_used(library: Library, bob: User) -> None:
    afresh((Original, Folder, Person))
    switch_on(library)
    words = fill(library, MUCH)
    rare = " ".join(words[3000:3002])
    for near in (False, True):
        found = plan(statements.finding(look(bob, rare, near=near), Filters(), Part(31)))
        assert [index for index in INDEXES if index not in found] == []
        assert read_whole(found, TABLES) == [], found
    short = plan(statements.finding(look(bob, "zq"), Filters(), Part(31)))
    assert [index for index in INDEXES if index not in short] == []
    assert read_whole(short, TABLES) == [], short
    dated = plan(statements.finding(look(bob, "2019-06-01"), Filters(), Part(31)))
    assert "file_live_by_date" in dated
    among = list(library.files.values_list("pk", flat=True)[:30])
    why = plan(statements.explaining(look(bob, rare, among=among)))
    assert read_whole(why, (*TABLES, "ml_transcriptsegment", "ml_face")) == [], why
    assert "transcript_by_words" in why, "segments are read of those films alone in which it is said"
