from itertools import pairwise

import pytest

from media.tools.progress import ProgressParser


class Told:
    def __init__(self, duration: float | None) -> None:
        self.now = 0.0
        self.reports: list[tuple[float, float | None]] = []
        self.parser = ProgressParser(
            duration, lambda percent, eta: self.reports.append((percent, eta)), lambda: self.now
        )

    def block(self, now: float, done: float, state: str = "continue") -> None:
        self.now = now
        self.parser.feed(f"out_time_us={int(done * 1_000_000)}")
        self.parser.feed(f"progress={state}")


def test_percent_and_time_left_follow_the_speed() -> None:
    told = Told(100.0)
    told.block(1.0, 10.0)
    assert told.reports[0] == pytest.approx((10.0, 9.0))


def test_the_time_left_does_not_jump() -> None:
    """An encode that runs at twice the speed in every other scene."""
    told = Told(1000.0)
    done = 0.0
    for second in range(1, 301):
        done += 2.0 if second // 20 % 2 else 4.0
        told.block(float(second), done)
    left = [eta for _, eta in told.reports[20:] if eta is not None]
    assert max(abs(after - before) for before, after in pairwise(left)) < 20
    assert left[-1] == pytest.approx((1000 - done) / 3, rel=0.4)


def test_steady_work_counts_down_with_the_clock() -> None:
    told = Told(100.0)
    for second in range(1, 50):
        told.block(float(second), 2.0 * second)
    assert [eta for _, eta in told.reports] == pytest.approx([50.0 - second for second in range(1, 50)])


def test_a_slow_beginning_is_forgotten() -> None:
    """The encoder fills its look-ahead before it puts out a frame."""
    told = Told(600.0)
    for second in range(1, 4):
        told.block(float(second), 0.0)
    assert told.reports == [(0.0, None)] * 3
    for second in range(4, 44):
        told.block(float(second), 10.0 * (second - 3))
    assert told.reports[-1][1] == pytest.approx(20.0, rel=0.15)


def test_work_that_stands_still_has_longer_to_go() -> None:
    told = Told(100.0)
    for second in range(1, 11):
        told.block(float(second), 5.0 * second)
    before = told.reports[-1][1]
    for second in range(11, 31):
        told.block(float(second), 50.0)
    after = told.reports[-1][1]
    assert before is not None
    assert after is not None
    assert after > 1.5 * before


def test_percent_never_falls_and_only_the_end_is_100() -> None:
    told = Told(10.0)
    for now, done in ((1.0, 5.0), (2.0, 3.0), (3.0, 12.0)):
        told.block(now, done)
    assert [percent for percent, _ in told.reports] == [50.0, 50.0, 99.0]
    told.block(4.0, 12.0, "end")
    assert told.reports[-1] == (100.0, 0.0)


def test_unknown_duration_tells_only_the_end() -> None:
    told = Told(None)
    told.block(1.0, 5.0)
    assert told.reports == []
    told.block(2.0, 6.0, "end")
    assert told.reports == [(100.0, 0.0)]


@pytest.mark.parametrize(
    "line", ["out_time_us=N/A", "out_time_us=-5", "rubbish", "", "speed=1x", "out_time_us="]
)
def test_odd_lines_are_passed_over(line: str) -> None:
    told = Told(10.0)
    told.parser.feed(line)
    told.parser.feed("progress=continue")
    assert told.reports == [(0.0, None)]
