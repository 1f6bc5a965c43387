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


def test_the_speed_is_smoothed() -> None:
    told = Told(100.0)
    told.block(1.0, 10.0)
    told.block(2.0, 11.0)
    # 0.2 of the new speed (1 s a second) and 0.8 of the old one (10): 8.2.
    assert told.reports[-1][1] == pytest.approx(89 / 8.2)


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
