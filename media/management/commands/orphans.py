"""`manage.py orphans`: blobs that nothing names, and names whose blob is gone. The same search as each week's."""

import sys
from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table

from alcoves.wording import counted
from media import audit, orphans
from media.orphans import Position, Report, Scan
from storage.errors import StoreError


class Command(BaseCommand):
    """Deletes nothing itself: what it finds is entered for the sweeper."""

    help = (
        f"Look for blobs that nothing names and enter them for sweeping in {orphans.GRACE.days} days; tell originals "
        "whose bytes are gone. Ends with 1 when there are any."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="only look: enter nothing")
        parser.add_argument(
            "--now", action="store_true", help="sweep what is found at once, not in some days"
        )
        parser.add_argument(
            "--force", action="store_true", help="enter them even where they are suspiciously many"
        )
        parser.add_argument(
            "--let-go",
            action="store_true",
            help="let the sweeper go on, which rests since a restore that left blobs without a name; and end",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["let_go"]:
            was_held = orphans.let_go(audit.COMMAND)
            self.stdout.write("The sweeper goes on." if was_held else "Nothing was held.")
            return
        scan = Scan(
            due=timedelta(0) if options["now"] else orphans.GRACE,
            force=options["force"],
            dry_run=options["dry_run"],
        )
        at: Position | None = Position()
        try:
            while at is not None:
                at = scan.advance(at)
        except StoreError as error:
            raise CommandError(f"The store was not looked through to its end: {error}") from error
        finally:
            note(scan.report.entered, now=options["now"], force=options["force"])
        console = Console(file=getattr(self.stdout, "_out", sys.stdout), highlight=False)
        show(scan.report, console)
        if scan.report.alarm:
            raise CommandError(scan.report.alarm)
        if scan.report.lost_originals:
            lost = counted(scan.report.lost_originals, "original")
            raise CommandError(f"The bytes of {lost} are missing. Restore them from a backup.")


def note(entered: int, *, now: bool, force: bool) -> None:
    """What shall go at once, or although it is suspiciously many, was somebody's will."""
    if entered and (now or force):
        how = " and ".join([*(["at once"] if now else []), *(["by force"] if force else [])])
        text = f"{entered} blobs that nothing names were entered for sweeping {how}."
        audit.note("blobs.enter_orphans", by=audit.COMMAND, text=text, count=entered, now=now, force=force)


def show(report: Report, console: Console) -> None:
    table = Table("What", "Count", "Size")
    for what, count, size in (
        ("blobs looked at", report.blobs, decimal(report.size)),
        ("named by nothing", report.orphans, decimal(report.orphan_size)),
        ("entered for sweeping", report.entered, ""),
        ("too young to judge", report.young, ""),
        ("files that are no blobs of ours", report.strange, ""),
        ("originals missing or of another size", report.lost_originals, ""),
        ("outputs missing or of another size", report.lost_outputs, ""),
        ("cached pictures without a row, or the other way round", report.cached, ""),
    ):
        table.add_row(what, f"{count:,}", size)
    console.print(table)
    tell(console, "Named by nothing", report.examples, report.orphans)
    tell(
        console,
        "Originals missing",
        [f"{named.original}  {named.key}" for named in report.lost],
        report.lost_originals,
    )


def tell(console: Console, title: str, lines: list[str], count: int) -> None:
    if not lines:
        return
    console.print(f"{title}:")
    for line in lines:
        console.print(f"  {line}", markup=False, soft_wrap=True)
    if count > len(lines):
        console.print(f"  and {count - len(lines):,} more")
