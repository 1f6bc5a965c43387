"""`manage.py ingest PATH... --library NAME`: files of this machine into a library, once or watched."""

import sys
import threading
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError
from django.db import InterfaceError, OperationalError, close_old_connections
from django.db.models import Q
from rich.console import Console
from rich.filesize import decimal
from rich.markup import escape
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Table

from media.errors import RequestError
from media.management import progress
from media.models import Library, Membership
from media.models.library import Role
from media.uploads import watching
from media.uploads.importing import Found, Outcome, State, Target, get_path, shown, split_path, take_in, walk


class Command(BaseCommand):
    """Files already there with the same name and bytes are passed over; the source is never changed."""

    stealth_options = ("stop",)  # An event that ends --watch, for callers in Python.
    help = "Bring files and folders of this machine into a library. The source is never changed or deleted."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "paths", nargs="+", type=Path, help="files, or folders whose content is taken with its folders"
        )
        parser.add_argument("--library", required=True, help="name or id of the library")
        parser.add_argument(
            "--user", help="e-mail address of the member who brings them; the owner by default"
        )
        parser.add_argument(
            "--folder", default="", help="path of a folder in the library, made where it is missing"
        )
        parser.add_argument("--watch", action="store_true", help="go on: take what comes, until Ctrl-C")
        parser.add_argument(
            "--wait",
            action="store_true",
            help=f"until everything is made of the files, {progress.LIMIT_SECONDS:.0f} s at most",
        )
        parser.add_argument(
            "--calm", type=float, default=2.0, help="seconds without a change before --watch takes a file"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        self.console = Console(file=getattr(self.stdout, "_out", sys.stdout), highlight=False)
        if options["watch"] and options["wait"]:
            raise CommandError(
                "--watch never ends, so there is nothing to wait for. Give one of --watch and --wait."
            )
        roots = [existing(path) for path in options["paths"]]
        library, user_id = find_library(options["library"], options["user"])
        try:
            folder = get_path(library, None, split_path(options["folder"]))
        except RequestError as error:
            raise CommandError(str(error)) from error
        target = Target(library, folder, user_id)
        if options["watch"]:
            counts = self.go_on(roots, target, options["calm"], options.get("stop") or threading.Event())
        else:
            outcomes = self.take_all([found for root in roots for found in walk(root)], target)
            self.tell(outcomes, wait=options["wait"])
            counts = Counter(outcome.state for outcome in outcomes)
        self.console.print(", ".join(f"{counts[state]} {state}" for state in State))
        if counts[State.REFUSED]:
            raise CommandError(
                f"{counts[State.REFUSED]} of {counts.total()} files were refused; the reasons are above."
            )

    def take_all(self, files: list[Found], target: Target) -> list[Outcome]:
        """With a bar over all bytes."""
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
        outcomes: list[Outcome] = []
        with Progress(*columns, TimeRemainingColumn(), console=self.console, transient=True) as bars:
            bar = bars.add_task("", total=sum(size_of(found.path) for found in files))
            for number, found in enumerate(files, 1):
                name = escape(shown(found.path.name)[:40])
                bars.update(bar, description=f"{number}/{len(files)} {name}")
                outcomes.append(take_in(found, target, lambda count: bars.advance(bar, count)))
        return outcomes

    def tell(self, outcomes: list[Outcome], *, wait: bool) -> None:
        """A table of the files with what is planned for each; after waiting, with what was made."""
        originals = {outcome.original_id for outcome in outcomes if outcome.original_id is not None}
        if wait:
            limit = progress.LIMIT_SECONDS
            self.console.print(f"Waiting until everything is made of them, {limit:.0f} s at most.")
            with self.console.status("Waiting for the workers."):
                tallies, sentence = progress.wait(originals)
        self.console.print(table_of(outcomes, progress.phrases(originals)))
        if wait:
            self.console.print(progress.table_of(tallies))
            self.console.print(sentence, soft_wrap=True)

    def go_on(self, roots: list[Path], target: Target, calm: float, stop: threading.Event) -> Counter[State]:
        """One line for each file as it comes; only the counts are kept."""
        counts: Counter[State] = Counter()
        settling = watching.Settling(roots, calm)
        self.say(f"Watching {', '.join(map(shown, roots))}. Ctrl-C ends it.")
        try:
            for found in watching.watch(settling, roots, calm=calm, stop=stop, tell=self.say):
                outcome = self.take_one(found, target, settling)
                if not outcome.again:
                    counts[outcome.state] += 1
        except OSError as error:
            raise CommandError(
                f"The folders cannot be watched: {shown(error)}. Raise fs.inotify.max_user_watches."
            ) from error
        return counts

    def take_one(self, found: Found, target: Target, settling: watching.Settling) -> Outcome:
        """What may work later comes up again later: a watch outlives a restart of the database or the store."""
        close_old_connections()
        try:
            outcome = take_in(found, target)
        except (OperationalError, InterfaceError):
            reason = "The database is away; it is tried again."
            outcome = Outcome(found.path, found.path.name, 0, "", State.REFUSED, reason, again=True)
        if outcome.again:
            settling.put_off(found.path)
        parts = [
            f"{outcome.state}:",
            outcome.name,
            f"({decimal(outcome.size)})",
            outcome.mime,
            outcome.reason,
        ]
        self.say(shown(" ".join(filter(None, parts))))
        return outcome

    def say(self, sentence: str) -> None:
        self.console.print(sentence, markup=False, soft_wrap=True)


def existing(path: Path) -> Path:
    if not path.exists():
        if path.is_symlink():
            raise CommandError(f"{shown(path)} is a link that leads nowhere. Check where it should lead.")
        raise CommandError(f"There is no {shown(path)}. Check the path.")
    return path.absolute()


def size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def find_library(name: str, email: str | None) -> tuple[Library, UUID | None]:
    """The library of that name or id, and in whose name to bring files: CommandError says what is unclear."""
    libraries = Library.objects.filter(id_or_name(name))
    members = Membership.objects.filter(library__in=libraries).select_related("library")
    if email is not None:
        user = get_user_model().objects.filter(email__iexact=email.strip()).first()
        if user is None:
            raise CommandError(f"Nobody here has the e-mail address {shown(email)}.")
        found = [member for member in members.filter(user_id=user.pk) if member.may_write]
    else:
        found = list(members.filter(role=Role.OWNER))
    if not found:
        raise CommandError(f"There is no library {name!r} that this user may add files to.")
    if len(found) > 1:
        ids = ", ".join(str(member.library_id) for member in found)
        raise CommandError(f"{len(found)} libraries are called {name!r}. Give the id of one: {ids}.")
    return found[0].library, found[0].user_id


def id_or_name(text: str) -> Q:
    try:
        return Q(pk=UUID(text))
    except ValueError:
        return Q(name=text)


def table_of(outcomes: Iterable[Outcome], made: Mapping[UUID, str]) -> Table:
    table = Table("File", "Type", "Size", "Result", "Made of it")
    for outcome in outcomes:
        result = f"{outcome.state}: {outcome.reason}" if outcome.reason else str(outcome.state)
        phrase = made.get(outcome.original_id, "nothing planned") if outcome.original_id else "-"
        cells = (shown(outcome.name), outcome.mime or "-", decimal(outcome.size), shown(result), phrase)
        table.add_row(*map(escape, cells))
    return table
