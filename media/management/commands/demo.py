"""`manage.py demo`: a library of pictures, films and sounds made on the spot: the first screen is not empty."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError

from media.blobs import chunks_of
from media.errors import MediaError
from media.intake import Place
from media.libraries import create_library
from media.management.scenes import PIECES
from media.models import File, Library
from media.uploads import receiving

LIBRARY = "Demo"


class Command(BaseCommand):
    help = "Fill the library 'Demo' of the first administrator with media made here. Does nothing the second time."

    def handle(self, *args: Any, **options: Any) -> None:
        owner: Any = get_user_model().objects.filter(is_superuser=True).order_by("created_at").first()
        if owner is None:
            raise CommandError("There is no administrator yet. Run: manage.py ensure_admin")
        library = Library.objects.filter(name=LIBRARY, memberships__user=owner).first()
        library = library or create_library(owner, LIBRARY, emoji="🎈")
        known = set(File.objects.filter(library=library).values_list("name", flat=True))
        made = 0
        try:
            for name, make in PIECES.items():
                if name not in known:
                    bring(library, owner.pk, name, make)
                    made += 1
        except MediaError as error:
            raise CommandError(f"{error.message} The demo is incomplete; run it again.") from error
        self.stdout.write(
            f"{made} files made in the library {LIBRARY}." if made else "The demo is there already."
        )


def bring(library: Library, user_id: Any, name: str, make: Callable[[Path], None]) -> None:
    """Through the same door as every upload, so that the same work follows."""
    with tempfile.TemporaryDirectory(prefix="alcoves-demo-") as folder:
        path = Path(folder) / f"piece{Path(name).suffix}"
        make(path)
        stored = receiving.receive(library, chunks_of(path), size=path.stat().st_size)
        receiving.admit(stored, Place(library, name, user_id=user_id), way="demo")
