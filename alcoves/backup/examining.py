"""What is looked at before a restore touches anything: the set, its parts and blobs, and what is here already."""

from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

from django.conf import settings
from django.db import ProgrammingError
from rich.filesize import decimal

from alcoves.accounts.models import User
from alcoves.backup import checking, contents, database, sealing, sets
from alcoves.backup.errors import BackupError
from alcoves.backup.models import NONE
from alcoves.backup.sealing import Plain
from alcoves.backup.sets import Head
from alcoves.backup.targets import Target
from alcoves.wording import counted, plural
from media.models import File, Library
from storage.registry import get_store

KEY_BYTES: Final = 16
MANY: Final = 1000
"""Nobody counts further for a sentence."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A set that has been looked at."""

    target: Target
    head: Head
    seal: Plain


def opened(target: Target, name: str, passphrase: str) -> Opened:
    """`latest` is a name too. BackupError with a sentence for whatever cannot be restored here."""
    if name == "latest":
        found = sets.heads(target.store)
        if not found:
            raise BackupError(f"There is no set in {target}: name another target with --from.")
        head = found[-1]
    else:
        head = sets.read_head(target.store, name)
    unknown = [
        one
        for one in head.migrations
        if one.partition(".")[0] in contents.our_apps() and one not in contents.known_migrations()
    ]
    if unknown:
        raise BackupError(
            f"The set {head.name} was made by a newer Alcoves ({head.alcoves}; it has {unknown[-1]}): "
            "update Alcoves first."
        )
    if not head.encrypted:
        return Opened(target, head, Plain())
    seal = sealing.find(target.store, passphrase)
    if seal is None:
        raise BackupError(f"{sealing.IDENTITY} is missing in {target}: without it nothing there can be read.")
    return Opened(target, head, seal)


def check(of: Opened, *, with_losses: bool = False) -> None:
    """Everything that can be known before anything is touched. With losses, blobs that are nowhere hinder nothing."""
    server = database.server_major()
    if server < of.head.postgres:
        raise BackupError(
            f"The set is of Postgres {of.head.postgres} and this database is Postgres {server}: restore into "
            f"{of.head.postgres} or newer."
        )
    checking.check_parts(of.target.store, of.head, of.seal)
    listed = database.check_readable(
        sets.part_chunks(of.target.store, of.head, sets.DATABASE, of.seal), server
    )
    wanted = [line.split(" EXTENSION - ")[1].split()[0] for line in listed if " EXTENSION - " in line]
    if missing := database.missing_extensions(wanted):
        raise BackupError(f"This Postgres lacks {', '.join(missing)}: install it there first.")
    found = checking.check_blobs(of.target.store, of.head, of.seal)
    if found.missing and not with_losses:
        raise BackupError(
            f"The set cannot be restored whole: {found.sentence()} Take another set, or say that you want what there "
            "is of this one: --with-losses, or the box for it in the console."
        )


def check_room(of: Opened) -> None:
    """For the blobs that are not there yet; the database's disk is not ours to see."""
    needed: dict[str, int] = {}
    if of.head.blobs != NONE:
        stored = Stored()
        bounded: dict[str, bool] = {}  # A bucket has no end that is known.
        for entry in sets.entries(of.target.store, of.head, of.seal):
            if entry.store not in bounded:
                bounded[entry.store] = get_store(entry.store).free_bytes() is not None
            if bounded[entry.store] and stored.size(entry.store, entry.key) != entry.size:
                needed[entry.store] = needed.get(entry.store, 0) + entry.size
    for name, size in needed.items():
        free = get_store(name).free_bytes()
        if free is not None and free < size:
            raise BackupError(
                f"The store {name} needs {decimal(size)} and has {decimal(free)} free: make room, then try again."
            )


class Stored:
    """What the stores have, by one listing of each when it is first asked for: 130 bytes of memory for each blob."""

    def __init__(self) -> None:
        self._sizes: dict[str, dict[bytes, int]] = {}

    def size(self, store: str, key: str) -> int | None:
        """None where it is not there."""
        if store not in self._sizes:
            self._sizes[store] = {short(stat.key): stat.size for stat in get_store(store).iterate()}
        return self._sizes[store].get(short(key))


def short(key: str) -> bytes:
    return blake2b(key.encode(), digest_size=KEY_BYTES).digest()


def occupied() -> str:
    """What would be overwritten, as the end of a sentence; empty on a new machine."""
    try:
        counts = {
            "library": Library.objects.count(),
            "file": File.objects.all()[: MANY + 1].count(),
            "person": User.objects.count() - 1,
        }
    except ProgrammingError:
        return ""
    return ", ".join(
        f"over {MANY} {plural(noun)}" if count > MANY else counted(count, noun)
        for noun, count in counts.items()
        if count > 0
    )


def installation() -> str:
    """What a person types to say that they mean this one."""
    return settings.PUBLIC_URL.partition("://")[2] or settings.PUBLIC_URL
