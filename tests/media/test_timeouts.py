"""How long ffmpeg may take, by the table of the facts."""

import pytest

from media.transcoding import timeouts


@pytest.mark.parametrize(
    ("height", "factor"),
    [
        (240, 1.0),
        (360, 1.0),
        (361, 1.25),
        (480, 1.25),
        (720, 1.5),
        (1080, 2.0),
        (1440, 2.5),
        (2160, 3.5),
        (4320, 3.5),
    ],
)
def test_twice_the_duration_and_more_for_more_lines(height: int, factor: float) -> None:
    assert timeouts.encoding(1000, height) == 2000 * factor


def test_never_less_than_five_minutes_and_never_more_than_four_hours() -> None:
    assert timeouts.encoding(1, 360) == 300
    assert timeouts.encoding(36_000, 2160) == 14_400


def test_copying_takes_a_third() -> None:
    assert timeouts.copying(1000, 1080) == pytest.approx(4000 / 3)
    assert timeouts.copying(1, 1080) == 300


def test_what_nobody_knows() -> None:
    assert timeouts.encoding(None, None) == timeouts.encoding(3600, 1080) == 14_400
    assert timeouts.encoding(0, 0) == 14_400
