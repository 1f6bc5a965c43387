"""`manage.py reprocess`: put derivatives back to queued, chosen by deriver, status, version, library, file or error."""

from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from alcoves.queues import BY_NAME
from alcoves.wording import counted, were
from media import audit, reprocess
from media.errors import MediaError
from media.models import File, Library
from media.models.derivative import Status
from media.reprocess import Selection


class Command(BaseCommand):
    help = "Make derivatives anew. Everything given must hold; at least one choice is needed (or --all)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--deriver", default="", help="one of: " + ", ".join(sorted(settings.DERIVERS)))
        parser.add_argument("--status", default="", choices=Status.values, help="only those in this state")
        parser.add_argument(
            "--older-than", type=int, metavar="N", help="made by a lower version of the deriver than N"
        )
        parser.add_argument("--library", default="", metavar="NAME", help="name or id of a library")
        parser.add_argument("--file", default="", metavar="ID", help="what was made of this file")
        parser.add_argument("--error-code", default="", metavar="CODE", help="failed with this code")
        parser.add_argument("--queue", default="", choices=sorted(BY_NAME), help="those of this queue")
        parser.add_argument("--failure", metavar="KEY", help="a group of failures, as the console names it")
        parser.add_argument(
            "--missing",
            action="store_true",
            help="also plan what today's derivers would make and is not there",
        )
        parser.add_argument("--all", action="store_true", help="really everything")

    def handle(self, *args: Any, **options: Any) -> None:
        library = find_library(options["library"]) if options["library"] else None
        selection = Selection(
            deriver=options["deriver"],
            status=options["status"],
            older_than=options["older_than"],
            library=library.pk if library else None,
            file=find_file(options["file"]) if options["file"] else None,
            error_code=options["error_code"],
            queue=options["queue"],
            failure=options["failure"],
        )
        chosen = selection != Selection()
        if not (chosen or options["missing"] or options["all"]):
            raise CommandError(
                "Say which: --deriver, --status, --older-than, --library, --file, --error-code, --queue, --failure, "
                "--missing or --all."
            )
        try:
            if options["missing"]:
                self.stdout.write(f"{plan_missing(library)} that were missing are planned.")
            if (
                options["all"]
                or (chosen and selection != Selection(library=selection.library))
                or not options["missing"]
            ):
                self.stdout.write(f"{reprocess.reprocess(selection, audit.COMMAND)} are queued again.")
        except MediaError as error:
            raise CommandError(error.message) from error


def plan_missing(library: Library | None) -> int:
    count = reprocess.plan_missing(library)
    if count:
        place = f" in {library}" if library else ""
        audit.note(
            "derivatives.plan",
            by=audit.COMMAND,
            text=f"{counted(count, 'job')} that {were(count)} missing{place} {were(count)} planned.",
            count=count,
        )
    return count


def find_library(name: str) -> Library:
    """By id or by name; a name that several have is refused."""
    key = as_uuid(name)
    rows = list(Library.objects.filter(pk=key) if key else Library.objects.filter(name=name)[:2])
    if not rows:
        raise CommandError(f"There is no library named {name}.")
    if len(rows) > 1:
        raise CommandError(f"Several libraries are named {name}. Give the id instead.")
    return rows[0]


def find_file(text: str) -> UUID:
    key = as_uuid(text)
    if key is None or not File.objects.filter(pk=key).exists():
        raise CommandError(f"There is no file with the id {text}.")
    return key


def as_uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
