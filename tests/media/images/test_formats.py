"""The table of formats agrees with what recognises and what decodes, and tells the truth of this machine."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from media.errors import ToolMissingError
from media.images import fallback, formats, transform
from media.images.decoded import Box
from media.sniffing import TYPES, sniff_path
from media.subject import DOCUMENTS, is_picture
from media.tools import enclosure, heif, jxl, magick, vips
from media.tools.vips import PixelLimits
from tests.makers import corners, make_image
from tests.rare_makers import make_dng, make_heic, make_jxl, make_pdf, make_psd
from tests.workers import run_python


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    formats.survey.cache_clear()
    yield
    formats.survey.cache_clear()


def by_type() -> dict[str, formats.Format]:
    return {row.type: row for row in formats.survey()}


def test_every_recognised_picture_is_in_the_table_once() -> None:
    rows = [row.type for row in formats.survey()]
    assert len(rows) == len(set(rows))
    recognised = {mime for mime, (kind, _) in TYPES.items() if is_picture(kind, mime)}
    assert recognised <= set(rows)
    assert set(rows) - recognised == {"image/svg+xml"}


def test_every_decoded_type_is_in_the_table_with_its_decoder() -> None:
    rows = by_type()
    assert {mime for mime, row in rows.items() if row.decoder} == fallback.TYPES | vips.TYPES
    assert DOCUMENTS <= fallback.TYPES
    assert all(row.extensions and row.label for row in rows.values())


def test_what_works_here_really_decodes(tmp_path: Path) -> None:
    rows = by_type()
    plane = [corners()[:, :, 0]]
    made = [
        *(
            make_image(tmp_path / f"a.{suffix}")
            for suffix in ("jpg", "png", "webp", "gif", "tif", "avif", "bmp", "jp2")
        ),
        make_dng(tmp_path / "a.dng"),
        make_heic(tmp_path / "a.heic"),
        make_pdf(tmp_path / "a.pdf"),
        make_psd(tmp_path / "a.psd", plane, mode=1),
        make_jxl(tmp_path / "a.jxl", make_image(tmp_path / "b.png")),
    ]
    for path in made:
        mime = sniff_path(path).mime
        assert rows[mime].works, rows[mime].reason
        assert path.suffix[1:] in rows[mime].extensions
        assert max(transform.decode(path, mime, Box(40, 40), PixelLimits()).size) == 40


def test_svg_is_never_drawn_and_says_why() -> None:
    row = by_type()["image/svg+xml"]
    assert (row.works, row.decoder) == (False, "")
    assert "Export it as PNG" in row.as_json()["reason"]


def test_what_is_missing_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    bare = {"rawpy": None, "rawpy_error": "ImportError: x", "pypdfium2": "PDFium 1", "wand": None}
    monkeypatch.setattr(enclosure, "report", lambda: bare)
    monkeypatch.setattr(heif, "can_decode", lambda: False)
    monkeypatch.setattr(jxl, "works", no_ffmpeg)
    rows = by_type()
    assert rows["application/pdf"].works
    assert "Install the package rawpy" in rows["image/x-nikon-nef"].reason
    assert "Install libmagickwand" in rows["image/x-exr"].reason
    assert "pi-heif" in rows["image/heic"].reason
    assert rows["image/jxl"].reason == "There is no ffmpeg."


def no_ffmpeg() -> bool:
    raise ToolMissingError("There is no ffmpeg.")


def test_an_imagemagick_without_a_format_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(enclosure, "report", lambda: {**REPORT, "wand": ["HDR", "XCF"]})
    assert "without EXR" in formats.ask_magick("image/x-exr")
    assert formats.ask_magick("image/x-xcf") == ""


REPORT = {"rawpy": "LibRaw 1", "pypdfium2": "PDFium 1", "wand": None}


def test_asking_touches_no_pixel_in_the_asking_process() -> None:
    done = run_python(
        "-c",
        "from media.images import formats; from media.tools import vips;"
        "assert formats.survey(); assert vips._first_pixels_in is None; print('untouched')",
    )
    assert done.stdout.strip() == "untouched", done.stderr


def test_the_sample_of_jpeg_xl_is_tried_for_real() -> None:
    jxl.works.cache_clear()
    assert jxl.works() is True
    assert set(magick.TYPES) <= set(magick.FORMATS)
