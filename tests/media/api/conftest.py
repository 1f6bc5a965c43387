"""Clients that act as somebody, and a file with results that no worker had to make."""

import hashlib
from collections.abc import Mapping

import pytest
from django.utils import timezone

from media.models import Derivative, File, Library
from storage.registry import get_store
from tests.ingesting import take_in

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 64
PICTURE = b"RIFF\x1a\0\0\0WEBPVP8 " + b"\1" * 500


@pytest.fixture
def file(library: Library) -> File:
    return take_in(library, PNG, "picture.png").file


def finish(
    file: File, deriver: str, outputs: dict[str, tuple[bytes, str]], facts: Mapping[str, object] | None = None
) -> Derivative:
    """What a worker leaves behind when it has made something."""
    named = []
    for name, (content, content_type) in outputs.items():
        key = f"{file.library_id}/{file.original_id}/{deriver}/{'0' * 31}1-1/{name}"
        get_store("files").put(key, [content])
        digest = hashlib.sha256(content).hexdigest()
        named.append(
            {"name": name, "key": key, "size": len(content), "content_type": content_type, "sha256": digest}
        )
    row, _ = Derivative.objects.update_or_create(
        original_id=file.original_id,
        deriver=deriver,
        variant="",
        defaults={
            "queue": "thumbnail",
            "status": "ready",
            "ready_version": 1,
            "progress": 100,
            "outputs": named,
            "facts": facts or {},
            "queued_at": timezone.now(),
            "finished_at": timezone.now(),
        },
    )
    return row


@pytest.fixture
def finished(file: File) -> File:
    facts = {"thumbhash": "1QcSHQRnh493V4dIh4eXh1h4kJUI", "color": "#336699"}
    finish(
        file,
        "preview",
        {"preview.webp": (PICTURE, "image/webp"), "thumb.webp": (PICTURE, "image/webp")},
        facts,
    )
    return file
