"""When a thing is to be seen, from what single frames show. Pure."""

from ml.objects.spans import Look, Span, spans_of
from ml.objects.yolo import Detection


def thing(index: int, score: float = 0.5, x: float = 0.0) -> Detection:
    return Detection(index, f"thing {index}", score, x, 0.0, 0.1, 0.1)


def film(*seen: list[Detection], apart: float = 2.0) -> list[Look]:
    return [Look(number * apart, found) for number, found in enumerate(seen)]


def times(spans: list[Span]) -> list[tuple[int, float, float]]:
    return [(span.best.index, span.start, span.end) for span in spans]


def test_nothing_is_nothing() -> None:
    assert spans_of([], 10) == []
    assert spans_of(film([], []), 4) == []


def test_a_span_lasts_until_the_next_look_without_it() -> None:
    looks = film([], [thing(1)], [thing(1)], [], [], apart=2)
    assert times(spans_of(looks, 10)) == [(1, 2.0, 6.0)]


def test_the_last_look_lasts_until_the_end_of_the_film() -> None:
    assert times(spans_of(film([], [thing(1)]), 3.5)) == [(1, 2.0, 3.5)]
    assert times(spans_of(film([], [thing(1)]), 0)) == [(1, 2.0, 2.0)]  # Nobody knows how long it is.


def test_one_look_that_misses_it_ends_nothing_and_two_do() -> None:
    one = film([thing(1)], [], [thing(1)], [])
    two = film([thing(1)], [], [], [thing(1)])
    assert times(spans_of(one, 8)) == [(1, 0.0, 6.0)]
    assert times(spans_of(two, 8)) == [(1, 0.0, 2.0), (1, 6.0, 8.0)]


def test_the_best_look_gives_box_and_second() -> None:
    looks = film([thing(1, 0.4, 0.1)], [thing(1, 0.9, 0.2), thing(1, 0.5, 0.3)], [thing(1, 0.9, 0.4)])
    (span,) = spans_of(looks, 6)
    assert (span.best.x, span.best.score, span.second) == (0.2, 0.9, 2.0)


def test_things_go_by_their_beginning_and_then_the_surest_first() -> None:
    looks = film([thing(1, 0.3), thing(2, 0.8)], [thing(3), thing(2)])
    assert times(spans_of(looks, 4)) == [(2, 0.0, 4.0), (1, 0.0, 2.0), (3, 2.0, 4.0)]


def test_looks_may_come_in_any_order() -> None:
    looks = film([thing(1)], [thing(1)], [])
    assert spans_of(looks[::-1], 6) == spans_of(looks, 6)
