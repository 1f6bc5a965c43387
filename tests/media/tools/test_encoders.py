"""Which encoder films are made with: proven by a picture, with programs that pretend to have hardware."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.checks import Warning as CheckWarning

from alcoves.env import BadVariableError
from media import checks
from media.tools import encoders, ffmpeg
from media.tools.encoders import SOFTWARE, Encoder

LISTED = " V....D {name}  something"
SCRIPT = """#!/bin/sh
echo "$*" >> {folder}/calls
case "$*" in
  *-version*) echo 'ffmpeg version 9.9 Copyright' ;;
  *-encoders*) printf '{listed}' ;;
  *-filters*) echo ' ... zscale V->V x' ;;
  {cases}
  *) echo 'Cannot load libcuda.so.1' >&2; exit 1 ;;
esac
"""
PICTURES = r"printf '\000\000\000\001'; head -c 2000 /dev/zero"


@pytest.fixture(autouse=True)
def forgetful() -> Iterator[None]:
    encoders.survey_of.cache_clear()
    yield
    encoders.survey_of.cache_clear()


def pretend(
    folder: Path, monkeypatch: pytest.MonkeyPatch, *listed: str, works: str = "", answer: str = PICTURES
) -> Path:
    """An ffmpeg that lists encoders in hardware, of which one works."""
    program = folder / "ffmpeg"
    lines = "\\n".join(LISTED.format(name=name) for name in ("libx264", *listed)) + "\\n"
    cases = f"*{works}*) {answer} ;;" if works else ""
    program.write_text(SCRIPT.format(folder=folder, listed=lines, cases=cases))
    program.chmod(0o755)
    monkeypatch.setenv("ALCOVES_FFMPEG_BINARY", str(program))
    return folder / "calls"


def test_without_hardware_in_the_build_it_is_software(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(tmp_path, monkeypatch)
    assert encoders.survey() == ()
    assert encoders.choose() is SOFTWARE


def test_listed_is_not_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(tmp_path, monkeypatch, "h264_nvenc")
    (trial,) = encoders.survey()
    assert (trial.encoder.name, trial.works) == ("h264_nvenc", False)
    assert "libcuda" in trial.problem
    assert encoders.choose() is SOFTWARE


@pytest.mark.parametrize("answer", ["true", r"printf '\000\000\000\001'", "head -c 2000 /dev/zero"])
def test_an_encoder_that_encodes_nothing_has_not_worked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    pretend(tmp_path, monkeypatch, "h264_nvenc", works="h264_nvenc", answer=answer)
    assert [trial.works for trial in encoders.survey()] == [False]


@pytest.mark.parametrize("family", ["nvenc", "vaapi", "qsv"])
def test_auto_takes_what_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, family: str) -> None:
    pretend(tmp_path, monkeypatch, "h264_nvenc", "h264_vaapi", "h264_qsv", works=f"h264_{family}")
    chosen = encoders.choose()
    assert (chosen.family, chosen.name, chosen.in_hardware) == (family, f"h264_{family}", True)
    assert chosen.options[:2] == ("-c:v", chosen.name)
    assert chosen.limits.memory_bytes is None


def test_it_is_tried_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = pretend(tmp_path, monkeypatch, "h264_nvenc", works="h264_nvenc")
    for _ in range(3):
        encoders.choose()
    assert calls.read_text().count("testsrc2") == 1


def test_the_setting_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = pretend(tmp_path, monkeypatch, "h264_nvenc", "h264_vaapi", works="h264_nvenc")
    monkeypatch.setenv("ALCOVES_VIDEO_ENCODER", "software")
    assert encoders.choose() is SOFTWARE
    assert not calls.exists()
    monkeypatch.setenv("ALCOVES_VIDEO_ENCODER", "vaapi")
    assert encoders.choose() is SOFTWARE
    monkeypatch.setenv("ALCOVES_VIDEO_ENCODER", "nvenc")
    assert encoders.choose().name == "h264_nvenc"
    monkeypatch.setenv("ALCOVES_VIDEO_ENCODER", "fastest")
    with pytest.raises(BadVariableError, match="ALCOVES_VIDEO_ENCODER"):
        encoders.choose()


def test_the_device_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = pretend(tmp_path, monkeypatch, "h264_vaapi", "h264_qsv")
    monkeypatch.setenv("ALCOVES_VAAPI_DEVICE", "/dev/dri/renderD129")
    encoders.survey()
    tried = calls.read_text()
    assert "vaapi=va:/dev/dri/renderD129" in tried
    assert "qsv=hw,child_device=/dev/dri/renderD129" in tried


def test_the_check_says_what_does_not_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(tmp_path, monkeypatch, "h264_nvenc")
    assert [message.id for message in checks.check_ffmpeg()] == ["media.I001"]
    for wanted, hint in (("nvenc", "libcuda"), ("qsv", "does not have")):
        monkeypatch.setenv("ALCOVES_VIDEO_ENCODER", wanted)
        (warning, _) = checks.check_ffmpeg()
        assert isinstance(warning, CheckWarning)
        assert (warning.id, wanted in warning.msg, hint in str(warning.hint)) == ("media.W002", True, True)


def test_software_encodes_the_test_picture() -> None:
    """The trial itself, by an encoder that works everywhere."""
    assert encoders.tried(SOFTWARE).works
    bad = encoders.tried(Encoder("software", "libx264", filters="format=nonsense"))
    assert not bad.works
    assert bad.problem


def test_whatever_the_true_build_lists_is_tried_and_ends_soon() -> None:
    listed = set(ffmpeg.capabilities().encoders)
    for trial in encoders.survey():
        assert trial.encoder.name in listed
        assert trial.works or trial.problem
