"""From a picture file to smaller pictures: decode once, fit inside, encode as often as wanted.

`generate` is the whole way. The order of steps is the order of the functions: check the limits on the header, decode
(shrink on load, sRGB through the profile, upright, a person's turn), then `make_all` fits and encodes.

Animated GIF and WebP stay animated in WebP; every other format gets the first frame. Refused is only what is too
large in a single frame (or has more frames than any picture): an animation that is too long or too large as a whole
is given as its first frame. Animated PNG is shown by its first frame.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from media.errors import DamagedFileError, TooLargeError
from media.images import cicp, fallback, profiles
from media.images.cicp import Coding
from media.images.color import flatten, to_srgb
from media.images.decoded import Animation, Box, Decoded
from media.images.encoding import LONGEST, encode, encoded, encoded_animation
from media.images.recipes import Recipe
from media.tools import vips
from media.tools.vips import FOREVER, Image, ImageHeader, PixelLimits

__all__ = ["Box", "Decoded", "decode", "encode", "fit", "flatten", "generate", "make_all", "to_srgb"]

FLAT: Final = 0.5
"""Standard deviation below which what is left of a damaged picture is only the decoder's filling."""

STREAMED: Final = "image/jpeg"
PLAIN: Final = ("srgb", "uchar", 3, 1)
"""Interpretation, format, bands and orientation of an ordinary photo."""
ANIMATED: Final = frozenset({"image/gif", "image/webp"})

SHARP: Final = 2
"""A picture is made smaller from another one only where that is at least this much longer: see `make_all`."""


def nothing() -> None:
    """What is done before a decode, mostly."""


def generate(
    path: Path,
    mime: str,
    recipes: Sequence[Recipe],
    limits: PixelLimits,
    before: Callable[[], None] = nothing,
    *,
    rotation: int = 0,
) -> Iterator[tuple[Recipe, bytes]]:
    """Everything that is wanted of one picture: one decode (of an animation one more, for its frames), then `make_all`.

    `before` is called before the first pixel is decoded, when an ordinary photo is open already; it may raise.
    Frames are decoded no larger than the largest WebP that is wanted, because all are in memory at once.
    """
    if len(recipes) == 1 and mime == STREAMED and rotation == 0:
        content = stream(path, recipes[0], limits, before)
        if content is not None:
            yield recipes[0], content
            return
    before()
    moving = [one for one in recipes if one.format == "webp"] if is_animated(path, mime) else []
    still = [one for one in recipes if one not in moving]
    for wanted in (moving, still):
        if wanted:
            box = Box.around([box_of(recipe) for recipe in wanted])
            decoded = decode(path, mime, box, limits, rotation=rotation, animated=wanted is moving)
            yield from make_all(decoded, wanted)


def stream(
    path: Path, recipe: Recipe, limits: PixelLimits, before: Callable[[], None] = nothing
) -> bytes | None:
    """One size of an ordinary photo: the encoder takes what is decoded strip by strip; no pixels are kept between.

    None for what needs more than that: colours to convert, a turn, damage. The bytes are those of the long way.
    """
    deadline = limits.deadline()
    check_bytes(path, limits)
    header, source = vips.open_photo(path)
    vips.check_limits(header.width, header.height, header.pages, limits, header.bands)
    plain = (header.interpretation, header.format, header.bands, header.orientation) == PLAIN
    if not plain or header.adobe_rgb or vips.needs_conversion(header):
        return None
    box = box_of(recipe)
    try:
        image = vips.open_shrunk(source, header, box.width, box.height)
        before()
        return encoded(image, recipe.format, recipe.quality, deadline=deadline)
    except DamagedFileError:
        return None


def is_animated(path: Path, mime: str) -> bool:
    return mime in ANIMATED and vips.open_header(path).pages > 1


def decode(
    path: Path, mime: str, box: Box, limits: PixelLimits, *, rotation: int = 0, animated: bool = False
) -> Decoded:
    """The picture, no larger than `box`, turned clockwise by `rotation` degrees; with all frames if `animated`.

    `box` is of the turned picture. The clock of `limits.seconds` starts here and counts for what is made of it too.
    Raises TooLargeError before any pixel is decoded, DamagedFileError, UnsupportedTypeError, TimedOutError.
    """
    deadline = limits.deadline()
    check_bytes(path, limits)
    inner = box.turned(rotation)
    if mime in vips.TYPES:
        decoded = decode_directly(path, mime, inner, limits, deadline, animated=animated)
    else:
        image = fallback.decode(path, mime, inner, limits, deadline)
        decoded = Decoded(to_srgb(vips.shrink(image, inner.width, inner.height, deadline=deadline)))
    return turned(replace(decoded, deadline=deadline), rotation)


def check_bytes(path: Path, limits: PixelLimits) -> None:
    if path.exists() and path.stat().st_size > limits.bytes:
        raise TooLargeError(
            f"The picture's file is larger than {limits.bytes // 1024**2} MiB. Make it smaller.",
            code="too_many_bytes",
        )


def decode_directly(
    path: Path, mime: str, box: Box, limits: PixelLimits, deadline: float, *, animated: bool
) -> Decoded:
    header = vips.open_header(path)
    vips.check_limits(header.width, header.height, header.pages, limits, header.bands)
    moves = animated and mime in ANIMATED and header.pages > 1
    if moves and limits.allow_animation(header.width, header.height, header.pages):
        found = find_animation(path, box, header, deadline)
        if found is not None:
            return Decoded(found.frames[0], animation=found)
    coding = cicp.find_coding(path) if mime == "image/avif" and not header.profile else None
    return as_far_as_possible(path, box, header, deadline, coding)


def find_animation(path: Path, box: Box, header: ImageHeader, deadline: float) -> Animation | None:
    """None for what is damaged: its first frame may still be shown."""
    try:
        frames, delays, loop = vips.load_frames(
            path, box.width, box.height, profiled=vips.needs_conversion(header), deadline=deadline
        )
    except DamagedFileError:
        return None
    return Animation(tuple(to_srgb(frame) for frame in frames), tuple(delays), loop)


def as_far_as_possible(
    path: Path, box: Box, header: ImageHeader, deadline: float = FOREVER, coding: Coding | None = None
) -> Decoded:
    """Whole pictures strictly; of a damaged one the part that is there, marked, unless nothing is."""

    def load(*, strict: bool) -> Image:
        image = vips.load_thumbnail(
            path,
            box.width,
            box.height,
            strict=strict,
            profiled=vips.needs_conversion(header),
            on_side=header.on_side,
            deadline=deadline,
        )
        if header.adobe_rgb:
            image = vips.srgb_from(image, profiles.adobe_rgb())
        return cicp.to_srgb(image, coding) if coding else to_srgb(image)

    try:
        return Decoded(load(strict=True))
    except DamagedFileError:
        image = load(strict=False)
        if flatten(image).deviate() < FLAT:
            raise
        return Decoded(image, partial=True)


def turned(decoded: Decoded, rotation: int) -> Decoded:
    """By 90, 180 or 270 degrees clockwise, as a person asked after seeing it upright."""
    if rotation == 0:
        return decoded
    animation = decoded.animation
    if animation is not None:
        frames = tuple(vips.turn(frame, rotation) for frame in animation.frames)
        return replace(decoded, image=frames[0], animation=replace(animation, frames=frames))
    return replace(decoded, image=vips.turn(decoded.image, rotation))


def fit(image: Image, box: Box, deadline: float = FOREVER) -> Image:
    """A smaller copy, or the picture itself where it fits already."""
    return image if box.holds(image) else vips.shrink(image, box.width, box.height, deadline=deadline)


def make_all(decoded: Decoded, recipes: Iterable[Recipe]) -> Iterator[tuple[Recipe, bytes]]:
    """Every recipe's file from one decode, the largest first.

    A small one is made of the smallest that is at hand and still twice as long: five sizes cost hardly more than
    the largest, and the result is as sharp as one made directly (tests compare them).
    """
    made = [decoded.image]
    for recipe in sorted(recipes, key=lambda one: area(decoded.image, box_of(one)), reverse=True):
        box = box_of(recipe)
        if decoded.animation is not None and recipe.format == "webp":
            yield recipe, make_animation(decoded.animation, box, recipe.quality, decoded.deadline)
            continue
        image = fit(nearest(made, box), box, decoded.deadline)
        made.append(image)
        yield recipe, encoded(image, recipe.format, recipe.quality, deadline=decoded.deadline)


def box_of(recipe: Recipe) -> Box:
    return Box.of(recipe).within(LONGEST[recipe.format])


def area(image: Image, box: Box) -> float:
    return scale(image, box) ** 2


def scale(image: Image, box: Box) -> float:
    """How much longer the picture gets by fitting into the box: 1 at most."""
    return float(min(1.0, box.width / image.width, box.height / image.height))


def nearest(made: list[Image], box: Box) -> Image:
    """The smallest picture that is SHARP times as long as the wanted one; the first, which is the largest, else."""
    wanted = made[0].width * scale(made[0], box)
    enough = [image for image in made[1:] if image.width >= SHARP * wanted]
    return min(enough, key=lambda image: image.width, default=made[0])


def make_animation(animation: Animation, box: Box, quality: int, deadline: float) -> bytes:
    frames = tuple(fit(frame, box, deadline) for frame in animation.frames)
    return encoded_animation(replace(animation, frames=frames), quality, deadline=deadline)
