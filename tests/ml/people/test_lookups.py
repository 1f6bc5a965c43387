"""The nearest faces of a library, by the index and one by one."""

from typing import Any
from uuid import UUID

import numpy as np
import pytest
from django.db import connection

from alcoves.accounts.models import User
from media.libraries import create_library
from media.models import Library
from ml import walking
from ml.faces import lookups
from ml.models import Face
from tests.bench.identities import DIMENSIONS, Vectors, crowd
from tests.ml.people.making import MODEL, beside, direction, make_face, make_file, make_person

A = direction(1)


@pytest.fixture
def by_index(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every library is large."""
    monkeypatch.setattr(lookups, "is_quicker_one_by_one", lambda *_: False)


def fill(library: Library, vectors: Vectors) -> list[UUID]:
    """All in one picture: only vectors matter here."""
    original = make_file(library).original
    box: dict[str, Any] = {"x": 0, "y": 0, "width": 1, "height": 1, "model": MODEL}
    rows = [Face(library=library, original=original, embedding=one.tolist(), **box) for one in vectors]
    return [row.pk for row in Face.objects.bulk_create(rows)]


def exact(vectors: Vectors, of: Vectors, count: int) -> list[int]:
    halves = vectors.astype(np.float16).astype(np.float32)
    return [int(row) for row in np.argsort(1 - halves @ of, kind="stable")[:count]]


@pytest.mark.parametrize("large", [False, True])
def test_nearest_first_with_person_and_distance(
    library: Library, large: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookups, "is_quicker_one_by_one", lambda *_: not large)
    person = make_person(library, 1, faces=1)
    far = make_face(library, beside(A, 0.5, 5))
    near = make_face(library, beside(A, 0.01, 6), person=person)
    found = lookups.nearest(library.pk, A, 2, model=MODEL)
    assert found[0].face == near.pk
    assert [one.person for one in found] == [person.pk, person.pk]
    assert found[0].distance == pytest.approx(0.01, abs=1e-3)
    asked = lookups.around(library.pk, [far.pk, near.pk], 10)
    assert [one.face for one in asked[far.pk]][-1] != far.pk
    assert len(asked[far.pk]) == len(asked[near.pk]) == 2, "Itself is not among them."


def test_what_is_not_to_be_found(library: Library, alice: User) -> None:
    asked = make_face(library, A)
    make_face(library, A, removed=True)
    make_face(library, None)
    make_face(library, A, model="another model")
    make_face(create_library(alice, "Other"), A)
    assert lookups.around(library.pk, [asked.pk], 10) == {asked.pk: []}
    drawn = make_face(library, None)
    assert lookups.around(library.pk, [drawn.pk], 10) == {drawn.pk: []}
    assert lookups.nearest(library.pk, A, 0 + 1, model="a third model") == []


def test_the_filter_by_library_cannot_come_back_short(library: Library, alice: User, by_index: None) -> None:
    """Ten faces of one library among six hundred of others that are all nearer."""
    draw = np.random.default_rng(1)
    noise = draw.standard_normal((600, DIMENSIONS)).astype(np.float32) / 100
    fill(create_library(alice, "Theirs"), (A + noise) / np.linalg.norm(A + noise, axis=1, keepdims=True))
    mine = fill(library, np.stack([beside(A, 0.6 + number / 100, number) for number in range(10)]))
    found = lookups.nearest(library.pk, A, 10, model=MODEL)
    assert [one.face for one in found] == mine


def test_where_the_index_gives_up_they_are_compared_one_by_one(
    library: Library, alice: User, by_index: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookups, "MOST_SCANNED", 1)
    monkeypatch.setattr(lookups, "LEAST_SEARCHED", 1)
    monkeypatch.setattr(lookups, "SEARCH_FACTOR", 1)
    draw = np.random.default_rng(1)
    noise = draw.standard_normal((200, DIMENSIONS)).astype(np.float32) / 100
    fill(create_library(alice, "Theirs"), (A + noise) / np.linalg.norm(A + noise, axis=1, keepdims=True))
    mine = fill(library, np.stack([beside(A, 0.6 + number / 100, number) for number in range(10)]))
    assert [one.face for one in lookups.nearest(library.pk, A, 10, model=MODEL)] == mine
    asked = lookups.around(library.pk, [mine[0]], 9)
    assert len(asked[mine[0]]) == 9


def test_of_other_people_by_the_index_as_one_by_one(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred faces of the same person are nearer than those of the two others."""
    me = make_person(library, 1, faces=0)
    asked = make_face(library, A, person=me)
    for number in range(1, 100):
        make_face(library, beside(A, 0.001 * number, number), person=me)
    others = [make_person(library, seed, faces=0) for seed in (2, 3)]
    near = [
        make_face(library, beside(A, distance, 200 + at), person=person).pk
        for at, (distance, person) in enumerate(zip((0.3, 0.4), others, strict=True))
    ]
    make_face(library, beside(A, 0.2, 300))  # Of nobody.
    for large in (True, False):
        monkeypatch.setattr(lookups, "is_quicker_one_by_one", lambda *_, large=large: not large)
        found = lookups.of_other_people(library.pk, [asked.pk], 2)
        assert [(one.face, one.person) for one in found[asked.pk]] == [
            (near[0], others[0].pk),
            (near[1], others[1].pk),
        ]


def test_eighty_are_found_though_an_index_searches_forty_by_itself(library: Library, by_index: None) -> None:
    of = crowd(people=2, faces=250, seed=2)
    keys = fill(library, of.vectors)
    found = lookups.nearest(library.pk, of.vectors[0], 80, model=MODEL)
    assert len(found) == 80
    right = {keys[row] for row in exact(of.vectors, of.vectors[0], 80)}
    assert len(right & {one.face for one in found}) >= 79


def plan(statement: str, values: dict[str, Any]) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {statement}", values)
        return "\n".join(row[0] for row in cursor.fetchall())


def test_the_plans_are_the_ones_that_are_meant(library: Library, db: None) -> None:
    fill(library, crowd(people=10, faces=300, seed=2).vectors)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE ml_face")
    given = {"vector": str(A.tolist()), "model": MODEL, "library": library.pk, "count": 80}
    with walking.searching(160, lookups.MOST_SCANNED):
        text = plan(lookups.NEAREST.format(asked=lookups.OF_A_VECTOR, order=lookups.BY_INDEX), given)
        assert "Index Scan using face_by_embedding" in text
        some = {**given, "faces": list(Face.objects.values_list("pk", flat=True)[:100])}
        text = plan(lookups.NEAREST.format(asked=lookups.OF_FACES, order=lookups.BY_INDEX), some)
        assert "Index Scan using face_by_embedding" in text
        assert "Sort" not in text
        others = lookups.NEAREST_OF_OTHERS.format(asked=lookups.OF_FACES, order=lookups.BY_INDEX)
        assert "Index Scan using face_by_embedding" in plan(others, some)
    text = plan(lookups.NEAREST.format(asked=lookups.OF_A_VECTOR, order=lookups.ONE_BY_ONE), given)
    assert "face_by_embedding" not in text


def test_the_settings_of_a_search_end_with_it(library: Library, db: None) -> None:
    def now() -> tuple[str, str, str]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT '[1]'::halfvec")
            cursor.execute(
                "SELECT current_setting('hnsw.ef_search'), current_setting('hnsw.iterative_scan'), "
                "current_setting('enable_sort')"
            )
            found: tuple[str, str, str] = cursor.fetchone()
            return found

    assert now() == ("40", "off", "on")
    with walking.searching(160, lookups.MOST_SCANNED):
        assert now() == ("160", "strict_order", "off")
    assert now()[2] == "on"


@pytest.mark.parametrize(
    ("mine", "everything", "one_by_one"),
    [
        (0, 0, True),
        (3000, 3000, True),
        (3001, 3001, False),
        (10_000, 20_000, False),
        (10_000, 1_000_000, True),
        (200_000, 1_000_000, False),
    ],
)
def test_which_way_is_quicker(
    library: Library, mine: int, everything: int, one_by_one: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookups, "size_of", lambda _: mine)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE pg_class SET reltuples = %s WHERE oid = 'ml_face'::regclass", [everything])
    assert lookups.is_quicker_one_by_one(library.pk, 160) is one_by_one


def test_a_library_is_counted_once_a_minute(
    library: Library, django_assert_num_queries: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_face(library, A)
    make_face(library, None)
    with django_assert_num_queries(1):
        assert lookups.size_of(library.pk) == lookups.size_of(library.pk) == 1
    monkeypatch.setattr(walking, "sizes", {})
    make_face(library, A)
    assert lookups.size_of(library.pk) == 2
