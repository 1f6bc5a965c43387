"""`manage.py verify`: looks whether every blob is there and as it should be, and repairs what can be repaired.

Exit code: 0 all is well, 1 something is open or under repair, 2 the look could not be finished.
"""

import sys
from argparse import ArgumentParser
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError
from django.db.models import Count
from rich.filesize import decimal

from alcoves.backup import looking, shown, working
from alcoves.backup.models import Finding, Look, State
from alcoves.wording import counted
from media import audit
from media.models import Library


class Command(BaseCommand):
    help = "Find missing, altered and orphaned blobs. Goes on where an earlier look was ended."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--repair", action="store_true", help="mend what can be mended")
        parser.add_argument("--deep", action="store_true", help="read every byte and compare checksums")
        parser.add_argument("--library", metavar="NAME", help="only this library, by name or id")
        parser.add_argument("--since", metavar="DATE", help="only what came since then, as 2026-01-31")
        parser.add_argument("--anew", action="store_true", help="do not go on with a look that was ended")

    def handle(self, *args: Any, **options: Any) -> None:
        since = date_of(options["since"]) if options["since"] else None
        row = begun(library_of(options["library"]), since, options)
        audit.note(
            "blobs.verify", by=audit.COMMAND, text="Looked at the blobs.", repair=row.repair, deep=row.deep
        )
        try:
            with shown.bar(quiet=not self.stderr.isatty(), of_bytes=row.deep) as say:
                looking.look(row, say=say)
        except shown.KNOWN as error:
            raise CommandError(str(error), returncode=2) from error
        row.refresh_from_db()
        self.tell(row)
        if Finding.objects.unmended().exists():
            sys.exit(1)

    def tell(self, row: Look) -> None:
        read = f", {decimal(row.done_bytes)} read" if row.deep else ""
        self.stdout.write(
            f"{counted(row.looked, 'blob')} looked at{read}; {counted(row.found, 'finding')}, {row.repaired} repaired."
        )
        if row.error:
            self.stdout.write(row.error)
        left = Finding.objects.filter(state=Finding.State.OPEN)
        for one in left.order_by().values("kind", "what").annotate(count=Count("pk")):
            self.stdout.write(f"  {one['count']} {one['what']} {one['kind']}")
        if under := Finding.objects.filter(state=Finding.State.REPAIRING).count():
            self.stdout.write(f"  {under} under repair: look again when workers have done it.")
        for finding in left.order_by("-id")[:20]:
            self.stdout.write(
                f"  {finding.kind} {finding.what} {finding.store}:{finding.key} {finding.text}".rstrip()
            )


def begun(library: UUID | None, since: datetime | None, options: dict[str, Any]) -> Look:
    """The same look, if one was killed, else a new one."""
    wanted = {name: options[name] for name in ("deep", "repair")}
    wanted |= {"library": library, "since": since, "nightly": False}
    working.bury(Look)
    killed: Look | None = Look.objects.filter(**wanted, state=State.KILLED).order_by("-id").first()
    if killed is not None and not options["anew"]:
        Look.objects.filter(pk=killed.pk, state=State.KILLED).update(
            state=State.QUEUED, error="", finished_at=None
        )
        return killed
    made: Look = Look.objects.create(**wanted)
    return made


def library_of(text: str | None) -> UUID | None:
    if not text:
        return None
    rows = Library.objects.filter(name=text)
    with suppress(ValueError):
        rows = rows | Library.objects.filter(pk=UUID(text))
    found = list(rows[:2])
    if len(found) != 1:
        many = "several libraries are" if found else "no library is"
        raise CommandError(f"{many.capitalize()} named {text}: give its id.")
    return found[0].pk


def date_of(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError:
        raise CommandError(f"{text} is no date: write it as 2026-01-31.") from None
