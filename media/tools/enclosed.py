"""A decoder in a process of its own: the child's side of `media.tools.enclosure`.

Run as a script by `python -I` with this command line:

    enclosed.py STEP WORD...

It answers on stdout: one line of JSON, then the bytes that belong to it. What goes wrong is an answer too
(`{"error": ..., "detail": ...}`). It imports nothing of ours, and of the libraries only the one it was asked for:
a parser that crashes or eats memory on a hostile file takes this process along and nothing else.
"""

import ctypes
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

# Read by OpenMP and OpenBLAS when they are loaded: one picture gets one processor, as everywhere in the pool,
# and each further thread would take room from the limit on memory.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = "1"

Answer = tuple[dict[str, Any], Any]
EXIF_OF_FLIP: Final = (1, 2, 4, 3, 5, 8, 6, 7)
"""LibRaw's bits (1: left to right, 2: upside down, 4: across the diagonal) as EXIF orientations."""


class RefusedError(Exception):
    """An answer that is no picture: a word for the parent, and what the library said."""

    def __init__(self, word: str, detail: str = "") -> None:
        super().__init__(word)
        self.word = word
        self.detail = detail


def raw_facts(opened: Any) -> dict[str, Any]:
    sizes = opened.sizes
    return {
        "width": sizes.width,
        "height": sizes.height,
        "orientation": EXIF_OF_FLIP[sizes.flip & 7],
        "raw_width": sizes.raw_width,
        "raw_height": sizes.raw_height,
    }


def raw(path: str, read: Callable[[Any, Any], Answer]) -> Answer:
    """Open a camera RAW; LibRaw's errors become words."""
    import rawpy

    try:
        with rawpy.imread(path) as opened:
            return read(opened, rawpy)
    except (
        rawpy.LibRawFileUnsupportedError,
        rawpy.LibRawNotImplementedError,
        rawpy.NotSupportedError,
    ) as error:
        raise RefusedError("unsupported", repr(error)) from error
    except (
        rawpy.LibRawUnsufficientMemoryError,
        rawpy.LibRawTooBigError,
        rawpy.LibRawMemPoolOverflowError,
    ) as error:
        raise RefusedError("memory", repr(error)) from error
    except rawpy.LibRawError as error:
        raise RefusedError("damaged", repr(error)) from error


def raw_header(path: str) -> Answer:
    return raw(path, lambda opened, _: (raw_facts(opened), b""))


def raw_preview(path: str) -> Answer:
    """The largest picture that the camera put in: its JPEG, or its pixels; or no bytes at all."""
    return raw(path, embedded)


def embedded(opened: Any, rawpy: Any) -> Answer:
    facts = raw_facts(opened)
    try:
        thumb = opened.extract_thumb()
    except (rawpy.LibRawError, rawpy.NotSupportedError):
        return facts, b""
    if thumb.format == rawpy.ThumbFormat.JPEG:
        return facts | {"preview": "jpeg"}, own_header(thumb.data)
    height, width, bands = thumb.data.shape
    return facts | {"preview": "pixels", "shape": [width, height, bands]}, thumb.data.tobytes()


def own_header(jpeg: bytes) -> bytes:
    """LibRaw puts EXIF of its own before a JPEG that does not begin with EXIF. Where the JPEG has some, that goes."""
    length = int.from_bytes(jpeg[4:6], "big")
    rest = jpeg[4 + length :] if jpeg[2:4] == b"\xff\xe1" and b"dcraw v" in jpeg[: 4 + length] else b""
    return b"\xff\xd8" + rest if b"Exif\0\0" in rest[:65536] else jpeg


def raw_develop(path: str, half: str) -> Answer:
    """All pixels of the sensor as sRGB of 8 bits, upright; `half` makes one pixel of each four."""

    def develop(opened: Any, rawpy: Any) -> Answer:
        pixels = opened.postprocess(
            # Half the time of the default, and what is left is made smaller in nearly every case.
            demosaic_algorithm=rawpy.DemosaicAlgorithm.PPG,
            half_size=half == "half",
            use_camera_wb=True,
            output_color=rawpy.ColorSpace.sRGB,
            output_bps=8,
        )
        height, width, bands = pixels.shape
        return raw_facts(opened) | {"shape": [width, height, bands]}, pixels.tobytes()

    return raw(path, develop)


LONGEST_TITLE: Final = 300


def pdf(path: str, read: Callable[[Any], Answer]) -> Answer:
    """Open a document of one page at least; PDFium's errors become words."""
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(path)
        if len(document) < 1:
            raise RefusedError("damaged", "no pages")
        return read(document)
    except pypdfium2.PdfiumError as error:
        word = "password" if "password" in str(error).lower() else "damaged"
        raise RefusedError(word, repr(error)) from error


def pdf_header(path: str) -> Answer:
    """The page is not opened for its size: that would parse all that is drawn on it."""

    def read(document: Any) -> Answer:
        width, height = document.get_page_size(0)
        return {
            "width": width,
            "height": height,
            "pages": len(document),
            "title": pdf_title(document).strip()[:LONGEST_TITLE],
        }, b""

    return pdf(path, read)


def pdf_title(document: Any) -> str:
    try:
        return str(document.get_metadata_value("Title"))
    except UnicodeDecodeError:
        return ""


def pdf_render(path: str, scale: str) -> Answer:
    """The first page on white paper; `scale` is pixels a point."""

    def draw(document: Any) -> Answer:
        bitmap = document[0].render(
            scale=float(scale), may_draw_forms=False, fill_color=(255, 255, 255, 255), rev_byteorder=True
        )
        pixels = bitmap.to_numpy()[:, :, :3]
        height, width, bands = pixels.shape
        return {"shape": [width, height, bands]}, pixels.tobytes()

    return pdf(path, draw)


LIBRARY_FOLDERS: Final = (
    *("/usr/local/lib", "/usr/local/lib64", "/usr/lib", "/usr/lib64"),
    f"/usr/lib/{os.uname().machine}-linux-gnu",
)
MAGICK_LIMITS: Final = {"thread": 1, "file": 64, "disk": 0}
"""Nothing is swapped to disk: what does not fit the memory is refused."""


def load_magick() -> None:
    """Load ImageMagick with our policy. Wand's own search starts a compiler for each name a library might have."""
    folders = [*os.environ.get("LD_LIBRARY_PATH", "").split(":"), *LIBRARY_FOLDERS]
    found = [path for folder in folders if folder for path in Path(folder).glob("libMagickWand*.so*")]
    if not found:
        raise RefusedError("unsupported", "there is no libMagickWand on this machine")
    os.environ["WAND_MAGICK_LIBRARY_SUFFIX"] = found[0].name.removeprefix("libMagickWand").split(".so")[0]
    os.environ["MAGICK_CONFIGURE_PATH"] = str(Path(__file__).resolve().parent)
    try:
        import wand.image  # noqa: F401 - This is what loads it.
    except ImportError as error:
        raise RefusedError("unsupported", repr(error)) from error


def magick(path: str, form: str, megapixels: str, read: Callable[[Any, str], Answer]) -> Answer:
    """ImageMagick with our policy beside this file, and the format said and never guessed."""
    load_magick()
    import wand.image
    from wand.exceptions import CacheError, PolicyError, ResourceLimitError, WandException
    from wand.resource import limits

    area = int(float(megapixels) * 1_000_000)
    for name, value in MAGICK_LIMITS.items():
        limits[name] = value
    limits["area"], limits["memory"], limits["map"] = area, area * 16, area * 16
    # The name of a descriptor holds none of the characters that ImageMagick reads as patterns and options.
    number = os.open(path, os.O_RDONLY)
    try:
        return read(wand.image.Image, f"{form}:/proc/self/fd/{number}")
    except (CacheError, ResourceLimitError, MemoryError) as error:
        raise RefusedError("memory", repr(error)) from error
    except PolicyError as error:
        raise RefusedError("unsupported", repr(error)) from error
    except WandException as error:
        raise RefusedError("damaged", repr(error)) from error


def magick_header(path: str, form: str, megapixels: str) -> Answer:
    def read(image_type: Any, name: str) -> Answer:
        with image_type.ping(filename=name) as image:
            width, height = image.page_width or image.width, image.page_height or image.height
            return {"width": max(width, image.width), "height": max(height, image.height)}, b""

    return magick(path, form, megapixels, read)


def magick_decode(path: str, form: str, megapixels: str) -> Answer:
    """All layers laid over one another, sRGB of 8 bits, with alpha where there is any."""

    def read(image_type: Any, name: str) -> Answer:
        with image_type(filename=name) as image:
            if form == "PSD":
                # The first picture of a Photoshop document is the whole; its layers come behind.
                del image.sequence[1:]
            elif len(image.sequence) > 1:
                image.background_color = "transparent"
                image.merge_layers("flatten")
            image.transform_colorspace("srgb")
            image.depth = 8
            bands = 4 if image.alpha_channel else 3
            return {"shape": [image.width, image.height, bands]}, exported(image, bands)

    return magick(path, form, megapixels, read)


def exported(image: Any, bands: int) -> Any:
    """Wand's own way makes a Python number of each byte, 28 times its size."""
    from wand.api import library
    from wand.image import STORAGE_TYPES

    width, height = image.width, image.height
    pixels = (ctypes.c_ubyte * (width * height * bands))()
    order, kind = b"RGBA"[:bands], STORAGE_TYPES.index("char")
    if not library.MagickExportImagePixels(
        image.wand, 0, 0, width, height, order, kind, ctypes.byref(pixels)
    ):
        raise RefusedError("damaged", "no pixels")
    return pixels


def report() -> Answer:
    """Which of the libraries are here, by really loading them."""
    found: dict[str, Any] = {}
    for name, look in (("rawpy", raw_version), ("pypdfium2", pdf_version), ("wand", magick_formats)):
        try:
            found[name] = look()
        except Exception as error:  # noqa: BLE001 - A library that cannot be loaded says why in its own way.
            found[name] = None
            found[f"{name}_error"] = f"{type(error).__name__}: {error}".splitlines()[0][:200]
    return found, b""


def raw_version() -> str:
    import rawpy

    return "LibRaw " + ".".join(str(part) for part in rawpy.libraw_version)


def pdf_version() -> str:
    import pypdfium2

    pypdfium2.PdfDocument.new().new_page(8, 8).render()
    return f"PDFium {pypdfium2.PDFIUM_INFO}"


def magick_formats() -> list[str]:
    load_magick()
    from wand.version import formats

    return sorted(formats())


STEPS: Final[dict[str, Callable[..., Answer]]] = {
    "raw_header": raw_header,
    "raw_preview": raw_preview,
    "raw_develop": raw_develop,
    "pdf_header": pdf_header,
    "pdf_render": pdf_render,
    "magick_header": magick_header,
    "magick_decode": magick_decode,
    "report": report,
}


def main(argv: list[str]) -> int:
    # Libraries that print shall not print into the answer.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    step, *words = argv
    try:
        facts, data = STEPS[step](*words)
    except RefusedError as refused:
        facts, data = {"error": refused.word, "detail": refused.detail[:500]}, b""
    except MemoryError:
        facts, data = {"error": "memory", "detail": ""}, b""
    with answers:
        answers.write(json.dumps(facts).encode() + b"\n")
        answers.write(data)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
