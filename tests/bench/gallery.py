"""A library of photos and somebody who looks at it: what every bench of pictures begins with."""

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.test import Client

from media import addresses, dispatch
from media.images.recipes import Recipe
from media.models import Derivative, File, Library, Original
from media.pictures import Picture, find_picture
from media.uploads.importing import State, Target, take_in, walk
from storage.registry import get_store
from tests.bench import machines
from tests.workers import PROJECT


@dataclass(frozen=True, slots=True)
class Gallery:
    """A library of photos, all with their sizes known and none with anything made of it."""

    library: Library
    files: Sequence[File]
    cookie: str
    """Of its owner's session."""

    @property
    def sources(self) -> list[Path]:
        """The stored bytes, in the order of the files."""
        paths = [get_store("files").local_path(file.original.key) for file in self.files]
        return [path for path in paths if path is not None]

    @property
    def headers(self) -> dict[str, str]:
        return {"Cookie": f"{settings.SESSION_COOKIE_NAME}={self.cookie}"}

    def paths(self, recipe: Recipe, signature: str) -> list[str]:
        """Addresses of every file's picture, spelled as lists of files spell them."""
        return [path_of(file, recipe, signature) for file in self.files]

    def enter(self, ports: Iterable[int]) -> str:
        """Look at the list of files in each web process, as the app does first; the signature they give."""
        url = f"/api/libraries/{self.library.pk}/files?limit=1"
        signatures = {get_json(port, url, self.headers)["entries"][0]["imagePass"] for port in ports}
        (signature,) = signatures
        return str(signature)


def path_of(file: File, recipe: Recipe, signature: str) -> str:
    query = addresses.query_of(recipe, picture_of(file).version, signature)
    return f"{addresses.path_of(file)}?{query}"


def picture_of(file: File) -> Picture:
    found = find_picture(file, [])
    assert found is not None
    return found


def get_json(port: int, path: str, headers: dict[str, str]) -> Any:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def draw(folder: Path, photos: int, width: int, height: int) -> Path:
    """Photos as a camera makes them, in another process: ours starts others, so it decodes nothing."""
    source = folder / "photos"
    source.mkdir()
    numbers = map(str, (photos, width, height))
    subprocess.run([sys.executable, "-m", "tests.bench.photos", source, *numbers], check=True, cwd=PROJECT)
    return source


def fill(source: Path, size: tuple[int, int] | None) -> Gallery:
    """Bring them in. What that has queued is forgotten: it would be made at the same time as what is measured."""
    home = machines.library()
    for found in walk(source):
        outcome = take_in(found, Target(home, None, None))
        assert outcome.state is State.NEW, outcome
    Derivative.objects.filter(original__library=home).delete()
    dispatch.redis_client().flushdb()
    if size is not None:
        Original.objects.filter(library=home).update(width=size[0], height=size[1])
    files = list(File.objects.filter(library=home).select_related("original").order_by("name", "id"))
    client = Client()
    client.force_login(home.memberships.get().user)
    return Gallery(home, files, client.cookies[settings.SESSION_COOKIE_NAME].value)
