"""`manage.py demo`: a library of pictures, films and sounds made on the spot: the first screen is not empty."""

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError
from rich.console import Console

from alcoves.wording import counted
from media.blobs import chunks_of
from media.errors import MediaError
from media.intake import Place
from media.libraries import create_library
from media.management import progress
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
        made: list[UUID] = []
        try:
            for name, make in PIECES.items():
                if name not in known:
                    made.append(bring(library, owner.pk, name, make))
        except MediaError as error:
            raise CommandError(f"{error.message} The demo is incomplete; run it again.") from error
        if not made:
            self.stdout.write("The demo is there already.")
            return
        self.stdout.write(f"{counted(len(made), 'file')} made in the library {LIBRARY}.")
        self.show_what_comes(made)

    def show_what_comes(self, originals: list[UUID]) -> None:
        """Wait for the workers, and tell what they have made."""
        limit = progress.LIMIT_SECONDS
        self.stdout.write(f"Waiting until everything is made of them, {limit:.0f} s at most.")
        self.stdout.flush()
        tallies, sentence = progress.wait(originals)
        console = Console(file=getattr(self.stdout, "_out", sys.stdout), highlight=False)
        console.print(progress.table_of(tallies))
        console.print(sentence, soft_wrap=True)


def bring(library: Library, user_id: Any, name: str, make: Callable[[Path], None]) -> UUID:
    """Through the same door as every upload, so that the same work follows. Returns the id of its original."""
    with tempfile.TemporaryDirectory(prefix="alcoves-demo-") as folder:
        path = Path(folder) / f"piece{Path(name).suffix}"
        make(path)
        stored = receiving.receive(library, chunks_of(path), size=path.stat().st_size)
        return receiving.admit(stored, Place(library, name, user_id=user_id), way="demo").file.original_id
