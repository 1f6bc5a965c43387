"""A library as big as people's are, written by the database itself: names, words, faces, labels, transcripts.

Words are invented, and spread so that a few are common and most are rare, as in a language. Each table is one row, made
as the product makes it, and many copies that differ in what a search reads.
"""

import random
from dataclasses import dataclass
from typing import Any, Final

from django.db import connection, models

from media.models import File, Library
from ml.models import Face, ObjectDetection, SoundEvent, Transcript, TranscriptSegment
from tests.ml.search.things import holds, person, put, says, seen, sounds_of

LABELS: Final = (
    *("person", "dog", "cat", "car", "bicycle", "bus", "boat", "bird", "horse", "chair", "bottle", "cup"),
    *("wine glass", "knife", "pizza", "cake", "bed", "book", "clock", "vase"),
)
SOUNDS: Final = ("Speech", "Music", "Laughter", "Vehicle horn, car horn, honking", "Dog", "Silence")
FILM: Final = 10
"""Every tenth file is one; something is said and heard in each."""
TOLD: Final = 8
"""Every eighth says something of itself."""
CITY: Final = "jsonb_build_object('raw', jsonb_build_object('iptc', jsonb_build_object('city', {})))"
YEARS: Final = 20
VOCABULARY: Final = 4000


@dataclass(frozen=True, slots=True)
class Much:
    """How many; of each file `things` are to be seen, and each film has `segments`."""

    files: int
    people: int = 200
    things: int = 3
    segments: int = 10


def fill(library: Library, much: Much) -> list[str]:
    """So many files with all that is known of them, and the tables analysed. Returns the words, common ones first."""
    words = vocabulary()
    with connection.cursor() as cursor:
        table = "SELECT n - 1 AS n, word FROM unnest(%s::text[]) WITH ORDINALITY AS w (word, n)"
        cursor.execute(f"CREATE TEMP TABLE words AS {table}", [words])
        cursor.execute("CREATE UNIQUE INDEX ON words (n); ANALYZE words; SELECT setseed(0.5)")
        # Each sentence is a handful of words: no table of all of them is to be built for it.
        cursor.execute("SET enable_hashjoin = off; SET enable_mergejoin = off")
    film = first_of_all(library)
    fill_files(film, much.files)
    fill_people(film, much)
    fill_labels(film, much)
    fill_transcripts(film, much)
    with connection.cursor() as cursor:
        cursor.execute("RESET enable_hashjoin; RESET enable_mergejoin; DROP TABLE words; ANALYZE")
    return words


def vocabulary() -> list[str]:
    chance = random.Random(1)
    found: dict[str, None] = {}
    while len(found) < VOCABULARY:
        parts = range(chance.randint(2, 4))
        found["".join(chance.choice("bdfghklmnprstvwz") + chance.choice("aeiou") for _ in parts)] = None
    return list(found)


def some(count: int) -> str:
    """So many words for row `i`."""
    return f"""(SELECT string_agg(w.word, ' ') FROM (
        SELECT floor({VOCABULARY} * power(random(), 3))::int AS n FROM generate_series(1, {count} + 0 * i)) AS r
        JOIN words w USING (n))"""


def key(kind: str, number: str = "i") -> str:
    return f"md5('{kind}' || {number})::uuid"


def one_of(values: tuple[str, ...]) -> str:
    return f"(ARRAY[{', '.join(repr(value) for value in values)}])[1 + floor(random() * {len(values)})::int]"


def copies(row: models.Model, source: str, **changes: str) -> None:
    """A copy of the row for each of the source, which has a column `i`."""
    columns = [str(field.column) for field in row._meta.concrete_fields if not field.generated]
    values = ", ".join(changes.get(column, f"t.{column}") for column in columns)
    table = row._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} ({', '.join(columns)}) SELECT {values} FROM {table} t, {source} WHERE t.id = %s",
            [row.pk],
        )


def first_of_all(library: Library) -> File:
    """What all others are copies of."""
    film = put(library, "first.mp4", kind="video")
    seen(film, person(library, "First"))
    holds(film, "dog")
    sounds_of(film, "Dog", 0)
    says(film, "en", "first")
    return film


def fill_files(film: File, count: int) -> None:
    numbers = f"generate_series(1, {count}) AS i"
    copies(
        film.original,
        numbers,
        id=key("original"),
        key="'many/' || i",
        kind=f"CASE WHEN i %% {FILM} = 0 THEN 'video' ELSE 'image' END",
        title=f"CASE WHEN i %% {TOLD} = 0 THEN {some(3)} ELSE '' END",
        caption=f"CASE WHEN i %% {TOLD} = 0 THEN {some(6)} ELSE '' END",
        keywords=f"CASE WHEN i %% {TOLD} = 0 THEN string_to_array({some(4)}, ' ') ELSE '{{}}' END",
        probe=f"CASE WHEN i %% {TOLD} = 0 THEN {CITY.format(some(1))} END",
        camera_make="(ARRAY['Canon', 'SONY', 'Apple', ''])[1 + i %% 4]",
        camera_model="(ARRAY['Canon EOS R5', 'ILCE-7M4', 'iPhone 15 Pro', ''])[1 + i %% 4]",
        lens="'24-70mm F2.8'",
    )
    copies(
        film,
        numbers,
        id=key("file"),
        original_id=key("original"),
        name=f"{some(1)} || '_IMG_' || i || '.jpg'",
        effective_at=f"now() - random() * interval '{YEARS} years'",
    )
    copies(
        film.original.derivatives.get(deriver="objects"),
        numbers,
        id=key("objects"),
        original_id=key("original"),
    )


def fill_people(film: File, much: Much) -> None:
    face = Face.objects.get(original=film.original)
    copies(face.person, f"generate_series(1, {much.people}) AS i", id=key("person"), name=some(2))
    whose = f"md5('person' || 1 + floor(random() * {much.people})::int)::uuid"
    copies(
        face,
        f"generate_series(1, {much.files}) AS i",
        id=key("face"),
        original_id=key("original"),
        person_id=whose,
    )


def fill_labels(film: File, much: Much) -> None:
    every = f"generate_series(1, {much.files}) AS i, generate_series(1, {much.things}) AS j"
    told = {"id": "gen_random_uuid()", "original_id": key("original"), "derivative_id": key("objects")}
    copies(ObjectDetection.objects.get(original=film.original), every, **told, label=one_of(LABELS))
    films = f"generate_series({FILM}, {much.files}, {FILM}) AS i, generate_series(1, {much.things}) AS j"
    copies(SoundEvent.objects.get(original=film.original), films, **told, label=one_of(SOUNDS))


def fill_transcripts(film: File, much: Much) -> None:
    films = f"generate_series({FILM}, {much.files}, {FILM}) AS i"
    row: Any = Transcript.objects.get(original=film.original)
    copies(
        row,
        films,
        id=key("transcript"),
        original_id=key("original"),
        derivative_id=key("objects"),
        text=some(8 * much.segments),
    )
    copies(
        TranscriptSegment.objects.get(transcript=row),
        f"{films}, generate_series(1, {much.segments}) AS j",
        id="gen_random_uuid()",
        transcript_id=key("transcript"),
        position="j",
        start_seconds="5 * j",
        end_seconds="5 * j + 4",
        text=f"""(SELECT string_agg(word, ' ') FROM (
            SELECT word FROM regexp_split_to_table((SELECT text FROM ml_transcript WHERE id = {key("transcript")}), ' ')
            WITH ORDINALITY AS r (word, n) WHERE (n - 1) / 8 = j - 1) AS words)""",
    )
