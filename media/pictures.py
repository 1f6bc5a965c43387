"""Which bytes stand for a file when somebody wants to see it: the image itself, or the poster of a film or recording.

Everything about one picture in one value that fits in a message: the image proxy, the pre-warm and the ready-made
addresses of the API all begin here, so they speak of the same source, size and version.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from media.images import recipes, variants
from media.images.recipes import Recipe
from media.models import Derivative, File, Original

POSTER: Final = ("poster", "poster-large.webp")
"""The deriver and the output that stand for a video, and for a recording that has a cover."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A source and how it is turned. `width` and `height` are as displayed after the turn; None: not known."""

    library_id: str
    original_id: str
    key: str
    """Of the source, in the store `files`."""
    mime: str
    size: int
    version: str
    rotation: int = 0
    width: int | None = None
    height: int | None = None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Picture":
        return cls(**values)

    def is_registered(self, recipe: Recipe) -> bool:
        """Whether this is what a registry variant makes of this picture."""
        return variants.is_registered(recipe, self.width, self.height)

    def cache_key(self, recipe: Recipe) -> str:
        return recipes.cache_key(self.library_id, self.version, recipe, registered=self.is_registered(recipe))

    def variants(self) -> dict[str, Recipe]:
        """Every registry variant of this picture, by name."""
        return variants.resolve_all(self.width, self.height)


def find_picture(file: File, derivatives: Iterable[Derivative]) -> Picture | None:
    """None where there is nothing to see: sounds without a cover, other files, a video whose poster is not made yet.

    `derivatives` are those of the file's original; only posters are looked for. Costs no query.
    """
    original = file.original
    if original.held_at is not None:
        return None
    if original.is_picture:
        return picture(
            file,
            key=original.key,
            mime=original.mime,
            size=original.size,
            digest=original.sha256 or digest_of_key(original.key),
            displayed=(original.width, original.height),
        )
    row = poster_of(file, derivatives)
    output = row.output(POSTER[1]) if row is not None else None
    if row is None or output is None:
        return None
    return picture(
        file,
        key=output["key"],
        mime=output["content_type"],
        size=output["size"],
        digest=output.get("sha256") or digest_of_key(output["key"]),
        displayed=(row.facts.get("large_width"), row.facts.get("large_height")),
    )


def poster_of(file: File, derivatives: Iterable[Derivative]) -> Derivative | None:
    """The poster that is shown: the one a person has chosen for this file, until it is ready the one made by itself."""
    rows = {row.variant: row for row in derivatives if row.deriver == POSTER[0]}
    chosen = rows.get(file.poster_variant)
    return chosen if chosen is not None and chosen.outputs else rows.get("")


def live_pictures(original: Original) -> list[Picture]:
    """One for each way in which files outside the trash show these bytes: turned, or by a poster of their own."""
    derivatives = list(original.derivatives.filter(deriver=POSTER[0]))
    found: dict[str, Picture] = {}
    ways = ("rotation", "poster_variant")
    for file in File.objects.live().filter(original=original).order_by(*ways).distinct(*ways):
        file.original = original
        shown = find_picture(file, derivatives)
        if shown is not None:
            found.setdefault(shown.version, shown)
    return list(found.values())


def picture(
    file: File, *, key: str, mime: str, size: int, digest: str, displayed: tuple[int | None, int | None]
) -> Picture:
    width, height = variants.turned(*displayed, file.rotation)
    return Picture(
        library_id=str(file.library_id),
        original_id=str(file.original_id),
        key=key,
        mime=mime,
        size=size,
        version=recipes.version_of(digest, file.rotation),
        rotation=file.rotation,
        width=width,
        height=height,
    )


def digest_of_key(key: str) -> str:
    """A stand-in until the bytes are hashed: keys are never written twice."""
    return hashlib.sha256(key.encode()).hexdigest()
