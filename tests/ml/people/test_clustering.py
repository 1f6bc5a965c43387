"""The rules by which faces find their people, without a database."""

from uuid import UUID

import numpy as np
import pytest
from numpy.typing import NDArray

from ml.faces.clustering import NOBODY, Known, Placing, Rules, likely, together
from tests.bench.identities import Vectors, agreement, crowd
from tests.ml.people.galleries import MemoryGallery
from tests.ml.people.making import beside, direction

RULES = Rules()
ANNA, BERT = UUID(int=1_000_001), UUID(int=1_000_002)
A = direction(1)


def key(number: int) -> UUID:
    return UUID(int=number + 1)


def known(number: int, **given: object) -> Known:
    """Face n, in a picture of its own unless one is named."""
    return Known(key(number), given.pop("original", UUID(int=500 + number)), **given)  # type: ignore[arg-type]


def gallery(vectors: list[Vectors], faces: list[Known]) -> MemoryGallery:
    made = MemoryGallery(np.stack(vectors), RULES.neighbours)
    made.add(faces)
    return made


def placed(vectors: list[Vectors], faces: list[Known], *numbers: int) -> list[UUID | None]:
    """Whose each face is after these were placed; all by default."""
    made = gallery(vectors, faces)
    Placing(made, RULES).place([key(number) for number in numbers or range(len(faces))])
    return [face.person for face in faces]


def around(count: int, distance: float = 0.1, seed: int = 0) -> list[Vectors]:
    return [beside(A, distance, seed + number) for number in range(count)]


def test_two_alike_are_nobody_and_three_are_a_person() -> None:
    assert placed(around(2), [known(0), known(1)]) == [None, None]
    assert len(set(placed(around(3), [known(n) for n in range(3)]))) == 1
    first = placed(around(3), [known(n) for n in range(3)])[0]
    assert first is not None


@pytest.mark.parametrize(("distance", "is_hers"), [(0.05, True), (0.41, True), (0.43, False), (0.9, False)])
def test_a_face_is_of_the_nearest_person_within_the_distance(distance: float, is_hers: bool) -> None:
    faces = [known(0, person=ANNA), known(1)]
    assert placed([A, beside(A, distance)], faces, 1)[1] == (ANNA if is_hers else None)


def test_the_nearest_decides_and_not_the_most() -> None:
    vectors = [beside(A, 0.3, n) for n in range(5)] + [beside(A, 0.1, 9), A]
    faces = [*(known(n, person=ANNA) for n in range(5)), known(5, person=BERT), known(6)]
    assert placed(vectors, faces, 6)[6] == BERT


def test_a_blurred_face_is_of_the_person_of_whom_many_agree() -> None:
    far = RULES.max_distance * 1.1
    vectors = [beside(A, far, n) for n in range(5)] + [A]
    alone = [*(known(n, person=ANNA) for n in range(5)), known(5)]
    assert placed(vectors, alone, 5)[5] == ANNA
    few = [*(known(n, person=ANNA) for n in range(4)), known(4, person=BERT), known(5)]
    assert placed(vectors, few, 5)[5] is None


def test_two_faces_of_one_picture_are_never_one_person() -> None:
    picture = UUID(int=77)
    vectors = [A, beside(A, 0.2, 1), beside(A, 0.1, 2)]
    faces = [known(0, person=ANNA), known(1, original=picture), known(2, original=picture)]
    assert placed(vectors, faces, 1, 2) == [ANNA, None, ANNA], "The nearer one is hers."
    three = [known(n, original=picture) for n in range(3)]
    assert placed(around(3), three) == [None, None, None]
    twins = [known(0), known(1, original=picture), known(2, original=picture), known(3)]
    found = placed(around(4), twins)
    assert found[1] != found[2]


def test_in_a_film_it_depends_on_the_time() -> None:
    film = UUID(int=78)
    first, later, meanwhile = (
        known(number, original=film, spans=[span]) for number, span in enumerate(([0, 4], [5, 9], [3, 6]))
    )
    assert not together(first, later)
    assert together(first, meanwhile)
    assert together(later, meanwhile)
    assert not together(first, first)
    again = [known(0, original=film, spans=[[0, 4]]), known(1, original=film, spans=[[5, 9]]), known(2)]
    assert len(set(placed(around(3), again))) == 1


def test_what_a_user_refused_is_never_put_back_and_teaches_the_like_of_it() -> None:
    faces = [known(0, person=ANNA), known(1, refused=frozenset({ANNA}))]
    assert placed([A, beside(A, 0.05)], faces, 1)[1] is None
    like_it = beside(A, 0.3, 5)
    vectors = [A, like_it, beside(like_it, 0.05, 6)]
    faces = [known(0, person=ANNA), known(1, refused=frozenset({ANNA})), known(2)]
    assert placed(vectors, faces, 2)[2] is None, "It is nearer to what is not Anna than to Anna."
    faces = [known(0, person=ANNA), known(1), known(2)]
    assert placed(vectors, faces, 2)[2] == ANNA


def test_faces_that_a_user_left_without_a_person_found_none() -> None:
    faces = [*(known(n, decided=True) for n in range(3)), known(3)]
    assert faces[0].owner == NOBODY
    assert placed(around(4), faces, 3) == [None] * 4


def test_a_face_that_came_too_early_is_looked_at_again() -> None:
    far = [beside(A, 0.4, 1), beside(A, 0.3, 2), A, beside(A, 0.02, 3), beside(A, 0.02, 4)]
    faces = [known(n) for n in range(5)]
    made = MemoryGallery(np.stack(far), RULES.neighbours)
    made.add(faces[:1])
    Placing(made, RULES).place([key(0)])
    assert faces[0].person is None
    made.add(faces[1:])
    Placing(made, RULES).place([key(n) for n in range(1, 5)])
    assert len({face.person for face in faces}) == 1
    assert faces[0].person is not None


def test_a_new_person_who_is_there_already_becomes_that_one() -> None:
    hers = [beside(A, 0.1, n) for n in range(3)]
    # Each is too far from hers to be given to her, except by the three pairs that make them one.
    new = [beside(hers[0], 0.3, 20 + n) for n in range(3)]
    faces = [*(known(n, person=ANNA) for n in range(3)), *(known(3 + n) for n in range(3))]
    made = gallery([*hers, *new], faces)
    person = made.create()
    for face in faces[3:]:
        face.person = person
    Placing(made, RULES)._join_twin(person, faces[3:])
    assert {face.person for face in faces} == {ANNA}
    assert not made.people


@pytest.mark.parametrize("why", ["refused", "seen together", "too few"])
def test_and_stays_apart_where_that_cannot_be(why: str) -> None:
    vectors = around(6)
    faces = [known(n, person=ANNA) for n in range(3)]
    faces += [known(n) for n in range(3, 6)]
    if why == "refused":
        faces[4].refused = frozenset({ANNA})
    if why == "seen together":
        faces[5].original = faces[0].original
    if why == "too few":
        vectors[:3] = [beside(A, 0.45, 30 + n) for n in range(3)]
    made = gallery(vectors, faces)
    person = made.create()
    for face in faces[3:]:
        face.person = person
    Placing(made, RULES)._join_twin(person, faces[3:])
    assert {face.person for face in faces[3:]} == {person}


def test_brothers_stay_two() -> None:
    """Two people whose directions have a cosine of 0.5: far more alike than strangers are."""
    other = beside(A, 0.5, 3)
    draw = np.random.default_rng(4)
    vectors = [beside(one, 0.25, int(draw.integers(1_000_000))) for one in (A, other) for _ in range(30)]
    order = draw.permutation(60)
    found = placed([vectors[n] for n in order], [known(n) for n in range(60)])
    told = agreement([int(n >= 30) for n in order], found)
    assert told.precision == 1


def test_at_night_a_far_face_is_likely_the_one_of_whom_several_are_around() -> None:
    far = RULES.max_distance * 1.4
    vectors = [beside(A, far, n) for n in range(3)] + [A]
    faces = [*(known(n, person=ANNA) for n in range(3)), known(3)]
    found = likely(gallery(vectors, faces), faces[3], RULES)
    assert found is not None
    assert found.person == ANNA
    faces[3].refused = frozenset({ANNA})
    assert likely(gallery(vectors, faces), faces[3], RULES) is None
    nobodys = [*(known(n, decided=True) for n in range(3)), known(3)]
    assert likely(gallery(vectors, nobodys), nobodys[3], RULES) is None


@pytest.mark.parametrize("order", ["as they come", "shuffled", "one person after the other", "one by one"])
def test_a_crowd(order: str) -> None:
    """Cosines of one person's faces are 0.4 to 0.8."""
    of = crowd(people=40, faces=1600, seed=3)
    orders: dict[str, NDArray[np.int64]] = {
        "as they come": np.arange(1600),
        "shuffled": np.random.default_rng(1).permutation(1600),
        "one person after the other": np.argsort(of.identities, kind="stable"),
        "one by one": np.arange(1600),
    }
    rows = orders[order]
    size = 1 if order == "one by one" else 256
    made = MemoryGallery(of.vectors[rows], RULES.neighbours)
    for start in range(0, 1600, size):
        some = range(start, min(1600, start + size))
        made.add([Known(key(n), UUID(int=10**9 + int(of.pictures[rows[n]]))) for n in some])
        Placing(made, RULES).place([key(n) for n in some])
    told = agreement(of.identities[rows].tolist(), [face.person for face in made.known])
    assert told.f1 >= 0.98
    assert told.precision >= 0.999
