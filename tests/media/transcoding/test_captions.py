import pytest

from media.transcoding.captions import clean, words


def cleaned(text: str) -> str:
    return "\n".join(clean(text.splitlines()))


def test_cues_stay_and_everything_else_goes() -> None:
    assert (
        cleaned(
            "WEBVTT - a name\nX: y\n\nSTYLE\n::cue { background: url(https://x/) }\n\nNOTE\nsecret\n\n"
            "REGION\nid:a\n\nfirst\n00:01.000 --> 00:02.500 line:0 position:20%\nHello\nworld\n\n"
            "01:00:00.000 --> 01:00:01.000\nlate\n"
        )
        == "WEBVTT\n\n00:01.000 --> 00:02.500\nHello\nworld\n\n01:00:00.000 --> 01:00:01.000\nlate"
    )


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("<b>bold</b> and <I>more</I>", "<b>bold</b> and <i>more</i>"),
        ("<script>alert(1)</script>", "alert(1)"),
        ("<img src=x onerror=alert(1)>", ""),
        ("<b onclick=alert(1)>x</b>", "x</b>"),
        ("<v Ada>Hi</v>", "Hi"),
        ("<c.red.bg_blue>Hi</c>", "Hi"),
        ("1 < 2 and 3 > 2", "1 &lt; 2 and 3 &gt; 2"),
        ("<scr<b>ipt>alert(1)</script>", "&lt;scr<b>ipt&gt;alert(1)"),
        ("<<script>x", "&lt;x"),
        (
            "Tom & Jerry &amp; Co &lt;3 &#60;script&#62;",
            "Tom &amp; Jerry &amp; Co &lt;3 &amp;#60;script&amp;#62;",
        ),
        ("a --> b", "a --&gt; b"),
        ("nul\x00 and bell\x07", "nul and bell"),
    ],
)
def test_words_are_words(line: str, shown: str) -> None:
    assert words(line) == shown


@pytest.mark.parametrize("line", ["x" * 100_000, "<" * 100_000, "<b" * 50_000, "&" * 20_000])
def test_endless_lines_are_cut_and_take_no_time(line: str) -> None:
    assert len(words(line)) <= 4000 * 5


def test_a_cue_without_a_time_is_no_cue() -> None:
    assert cleaned("WEBVTT\n\n99:99.000 --> 00:02.000\nhello\n\n00:00 --> 00:01\nhello") == "WEBVTT"
