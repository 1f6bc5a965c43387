"""Decoders in processes of their own: what they cannot do to us."""

import os
import signal
from pathlib import Path

import pytest

from media.errors import DamagedFileError, InfrastructureError, MediaError, TimedOutError, TooLargeError
from media.tools import enclosed, enclosure, pdf
from media.tools.enclosure import GIGABYTE
from tests.rare_makers import make_pdf


def test_an_answer_has_facts_and_bytes(tmp_path: Path) -> None:
    answer = enclosure.ask("pdf_render", make_pdf(tmp_path / "a.pdf"), "1.0", timeout=20, memory=GIGABYTE)
    assert answer.facts == {"shape": [200, 100, 3]}
    assert bytes(answer.data[:3]) == b"\xff\0\0"


def test_a_missing_file_is_not_the_files_fault(tmp_path: Path) -> None:
    with pytest.raises(InfrastructureError, match="not there") as caught:
        pdf.open_header(tmp_path / "absent.pdf")
    assert caught.value.retry


def test_too_little_memory_is_told(tmp_path: Path) -> None:
    with pytest.raises(TooLargeError) as caught:
        enclosure.ask("pdf_render", make_pdf(tmp_path / "a.pdf"), "90.0", timeout=20, memory=GIGABYTE // 4)
    assert caught.value.code == "needs_too_much_memory"


def test_too_little_time_is_told(tmp_path: Path) -> None:
    with pytest.raises(TimedOutError):
        enclosure.ask("pdf_header", make_pdf(tmp_path / "a.pdf"), timeout=0.01, memory=GIGABYTE)


@pytest.mark.parametrize("step", ["raw_header", "raw_preview", "pdf_header"])
def test_rubbish_is_damaged_or_unsupported(tmp_path: Path, step: str) -> None:
    (tmp_path / "a").write_bytes(os.urandom(4096))
    with pytest.raises(MediaError) as caught:
        enclosure.ask(step, tmp_path / "a", timeout=20, memory=GIGABYTE)
    assert caught.value.code in {"damaged_file", "decoder_missing"}
    assert not caught.value.retry


def test_a_crash_is_an_error_and_nothing_more() -> None:
    crash = enclosure.fallen(-signal.SIGSEGV, "")
    assert isinstance(crash, DamagedFileError)
    assert crash.code == "decoder_crashed"
    assert enclosure.fallen(1, "terminate called: std::bad_alloc").code == "needs_too_much_memory"
    assert enclosure.fallen(-signal.SIGKILL, "").code == "needs_too_much_memory"


def test_the_report_names_what_is_here() -> None:
    found = enclosure.report()
    assert found["rawpy"].startswith("LibRaw ")
    assert found["pypdfium2"].startswith("PDFium ")
    assert found["wand"] is None or "PNG" in found["wand"]


def test_each_step_takes_words_only() -> None:
    assert set(enclosed.STEPS) >= {"raw_header", "raw_preview", "raw_develop", "pdf_header", "pdf_render"}
    assert enclosed.EXIF_OF_FLIP == (1, 2, 4, 3, 5, 8, 6, 7)


def test_the_header_of_a_preview_is_the_cameras_own() -> None:
    ours = b"Exif\0\0" + b"I" * 20 + b"dcraw v9" + b"\0" * 10
    inserted = b"\xff\xd8\xff\xe1" + (len(ours) + 2).to_bytes(2, "big") + ours
    camera = b"\xff\xe0\0\x04ab\xff\xe1\0\x08Exif\0\0" + b"rest"
    assert enclosed.own_header(inserted + camera) == b"\xff\xd8" + camera
    without = inserted + b"\xff\xdb\0\x04ab"
    assert enclosed.own_header(without) == without
