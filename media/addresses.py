"""Ready-made addresses of a file's picture: every registry variant, signed for the one who asks.

The web app builds the same addresses (static/js/images.js). An address stays the same for a month, so browsers keep
what they have loaded.
"""

from functools import lru_cache
from typing import Any, Final
from urllib.parse import quote

from media.images import recipes
from media.images.recipes import Recipe
from media.models import File
from media.pictures import Picture

ROOT: Final = "/api/files/proxy"
VERSION, SIGNATURE = "VERSION", "SIGNATURE"
NO_PICTURE: Final[dict[str, Any]] = {
    "images": None,
    "imageVersion": None,
    "imagePass": None,
    "imageWidth": None,
    "imageHeight": None,
}


def facts_of(file: File, picture: Picture | None, signature: str) -> dict[str, Any]:
    """What the API tells of a file's picture; all null where there is none, or none yet."""
    if picture is None:
        return NO_PICTURE
    path = path_of(file)
    return {
        "images": {
            name: f"{path}?{query_of(recipe, picture.version, signature)}"
            for name, recipe in picture.variants().items()
        },
        "imageVersion": picture.version,
        "imagePass": signature,
        "imageWidth": picture.width,
        "imageHeight": picture.height,
    }


def path_of(file: File) -> str:
    return f"{ROOT}/{file.library_id}/{file.pk}/{quote(file.name, safe='')}"


def query_of(recipe: Recipe, version: str, signature: str) -> str:
    """As `recipes.query_of`, for lists of many: what is the same for most of them is written once."""
    return template_of(recipe).replace(VERSION, version).replace(SIGNATURE, signature)


@lru_cache(maxsize=1024)
def template_of(recipe: Recipe) -> str:
    return recipes.query_of(recipe, VERSION, SIGNATURE)
