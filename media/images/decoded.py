"""What a decoder gives and every encoder takes: pixels in memory, and the boxes that they are made to fit."""

from dataclasses import dataclass
from typing import Final

from media.images.recipes import Recipe
from media.tools.vips import FOREVER, Image

ENDLESS: Final = 1_000_000
"""A side of a box that limits nothing."""


@dataclass(frozen=True, slots=True)
class Box:
    """Fit inside this; never larger than the picture itself."""

    width: int
    height: int

    @classmethod
    def of(cls, recipe: Recipe) -> "Box":
        return cls(recipe.width or ENDLESS, recipe.height or ENDLESS)

    @classmethod
    def around(cls, boxes: list["Box"]) -> "Box":
        """The smallest that every one of these fits in: what has to be decoded once for all of them."""
        return cls(max(box.width for box in boxes), max(box.height for box in boxes))

    def turned(self, rotation: int) -> "Box":
        return Box(self.height, self.width) if rotation in {90, 270} else self

    def within(self, side: int) -> "Box":
        """No side longer than this."""
        return Box(min(self.width, side), min(self.height, side))

    def holds(self, image: Image) -> bool:
        return bool(image.width <= self.width and image.height <= self.height)


@dataclass(frozen=True, slots=True)
class Animation:
    """Frames of one size, each as a viewer sees it, and how long each is shown, in ms. `loop` 0: for ever."""

    frames: tuple[Image, ...]
    delays: tuple[int, ...]
    loop: int


@dataclass(frozen=True, slots=True)
class Decoded:
    """Upright, sRGB, 8 bits a band, 3 bands or 4. What is made of it has to be done by the deadline."""

    image: Image
    """Of an animation the first frame."""
    partial: bool = False
    """The file is damaged and this is the part that could be read."""
    animation: Animation | None = None
    deadline: float = FOREVER

    @property
    def size(self) -> tuple[int, int]:
        return self.image.width, self.image.height
