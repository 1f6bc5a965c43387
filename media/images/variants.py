"""Pure: the registry of image variants, the only table of sizes. The web app gets it from /api/capabilities.

`resolve` is the one rule from a variant and the size of a source to a recipe. The pre-warm uses it, the API's
ready-made addresses use it, and static/js/images.js repeats it; a test holds the keys of all three together.
"""

from dataclasses import dataclass
from typing import Any, Final, Literal

from media.images.recipes import Format, Recipe

VARIANTS_VERSION: Final = 1
"""Raised whenever the table changes: every picture is then warmed again."""


@dataclass(frozen=True, slots=True)
class Variant:
    """A named size. `capped` asks for no more than the source has, `fixed` always for the whole box."""

    name: str
    width: int
    height: int
    quality: int
    format: Format
    sizing: Literal["fixed", "capped"]
    used_by: str

    def resolve(self, width: int | None, height: int | None) -> Recipe:
        """The recipe for a source of this displayed size (None: not known)."""
        if self.sizing == "fixed" or not width or not height:
            return Recipe(self.width, self.height, self.quality, self.format)
        return Recipe(min(self.width, width), min(self.height, height), self.quality, self.format)


VARIANTS: Final = (
    Variant("search", 80, 80, 70, "jpeg", "fixed", "search results"),
    Variant("timeline", 240, 240, 70, "webp", "fixed", "timeline grid"),
    Variant("face", 300, 300, 80, "jpeg", "fixed", "people and faces"),
    Variant("card", 720, 360, 82, "jpeg", "capped", "library cards"),
    Variant("preview", 1920, 1080, 90, "jpeg", "capped", "full screen"),
)
BY_NAME: Final = {variant.name: variant for variant in VARIANTS}


def resolve_all(width: int | None, height: int | None) -> dict[str, Recipe]:
    return {variant.name: variant.resolve(width, height) for variant in VARIANTS}


def is_registered(recipe: Recipe, width: int | None, height: int | None) -> bool:
    """Whether a source of this size has a variant with this very recipe."""
    return recipe in resolve_all(width, height).values()


def turned(width: int | None, height: int | None, rotation: int) -> tuple[int | None, int | None]:
    """The displayed size after a person's turn."""
    return (height, width) if rotation in {90, 270} else (width, height)


def as_json() -> dict[str, Any]:
    """The table as /api/capabilities tells it."""
    return {
        "version": VARIANTS_VERSION,
        "variants": [
            {
                "name": variant.name,
                "width": variant.width,
                "height": variant.height,
                "quality": variant.quality,
                "format": variant.format,
                "sizing": variant.sizing,
            }
            for variant in VARIANTS
        ],
    }
