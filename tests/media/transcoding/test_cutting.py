"""Where clips are cut: which frame stands at a second, and when packets may be taken as they are."""

import pytest

from media.tools import graphs
from media.transcoding import cutting
from media.transcoding.cutting import Copy, Cut, Packet

PLAIN = [Packet(n / 25, n / 25 - 0.08, n % 25 == 0, 0.04) for n in range(100)]


@pytest.mark.parametrize(
    ("second", "stands"), [(0, 0), (0.039, 0.04), (0.038, 0), (1, 1), (1.0005, 1), (1.02, 1), (50, 3.96)]
)
def test_what_stands_is_the_last_frame_up_to_there(second: float, stands: float) -> None:
    found = cutting.standing(reversed(PLAIN), second)
    assert found is not None
    assert found.pts == pytest.approx(stands)


def test_nothing_stands_where_no_key_frame_came_before() -> None:
    assert cutting.standing(PLAIN, -1) is None
    assert cutting.standing(PLAIN[1:20], 0.5) is None
    assert cutting.cut_at([], 1) is None


def test_decoding_begins_at_that_frame_and_its_time_is_moved() -> None:
    cut = cutting.cut_at(PLAIN, 1.53)
    assert cut is not None
    assert cut.options == ("-ss", "1.519990")
    assert cut.lead == pytest.approx(0.01, abs=0.0001)
    assert links(cut).startswith(r"settb=1/90000,setpts=if(lte(PTS*TB\,0.0110")
    assert r",0\,PTS-0.0100" in links(cut)
    assert cut.sound.startswith("atrim=start=0.0100")


def test_the_very_beginning_is_not_sought() -> None:
    cut = cutting.cut_at(PLAIN, 0)
    assert cut == Cut(None, 0.0, 0.0)
    assert (cut.options, cut.sound) == ((), "")


def test_what_seeks_badly_is_read_from_further_back() -> None:
    cut = cutting.cut_at(PLAIN, 3.5, 2.0)
    assert cut is not None
    assert cut.seek == pytest.approx(1.48, abs=0.001)
    assert cut.back == pytest.approx(2.0)
    assert links(cut).startswith("trim=start=2.000000,settb=")
    whole = cutting.cut_at(PLAIN, 1.5, 12.0)
    assert whole is not None
    assert (whole.seek, whole.lead) == (None, 1.5)


def test_packets_are_copied_between_key_frames_only() -> None:
    assert cutting.copy_between(PLAIN, 1, None) == Copy(1.0, None, None)
    between = cutting.copy_between(PLAIN, 1, 3)
    assert between is not None
    assert between.sound == 2
    assert between.picture == pytest.approx(1.9195)
    for start, end in ((1.04, 3), (1, 2.96), (1.002, 3), (-1, 3), (1, 99)):
        assert cutting.copy_between(PLAIN, start, end) is None


def links(cut: Cut) -> str:
    """As ffmpeg reads them."""
    picture = cut.of(graphs.generate("color").track("v"))
    words = graphs.arguments(graphs.write(graphs.PIPE, picture))
    return words[words.index("-filter:0") + 1]


def test_groups_that_hang_together_are_not_cut() -> None:
    leading = [*PLAIN, Packet(2.98, 2.96, key=False)]
    assert cutting.copy_between(leading, 1, 3) is None
    assert cutting.copy_between(leading, 3, None) is None
    assert cutting.copy_between(leading, 1, 2) is not None


def test_packets_are_counted_from_the_beginning_of_the_file() -> None:
    answer = {
        "format": {"start_time": "1.400000"},
        "packets": [
            {"pts_time": "1.48", "dts_time": "1.40", "flags": "K__", "duration_time": "0.04"},
            {"dts_time": "1.44", "flags": "___"},
            {"flags": "___"},
        ],
    }
    found = cutting.packets_of(answer)
    assert [(round(one.pts, 3), round(one.dts, 3), one.key, one.lasts) for one in found] == [
        (0.08, 0.0, True, 0.04),
        (0.04, 0.04, False, 0.0),
    ]
    assert cutting.packets_of({}) == []
    assert cutting.ends_before(found, 2)
    assert not cutting.ends_before(found, 0.2)
