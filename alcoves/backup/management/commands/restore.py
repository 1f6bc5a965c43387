"""`manage.py restore SET`: brings a set back onto this machine. Goes on where an earlier try was killed."""

import json
import os
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError
from rich.filesize import decimal

from alcoves.backup import choosing, examining, restoring, sets, shown, targets
from alcoves.backup.errors import BackupError
from alcoves.backup.examining import Opened
from alcoves.backup.models import Backup
from alcoves.backup.restoring import Restoring
from alcoves.wording import are, counted
from media import audit
from media.models import AuditEntry


class Command(BaseCommand):
    requires_system_checks = ()
    requires_migrations_checks = False
    help = (
        "Bring a backup back: database, keys, blobs. Refuses to overwrite an installation that is not empty."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("set", help="name of the set, or latest")
        parser.add_argument(
            "--from", default="", dest="target", metavar="TARGET", help="folder, s3://bucket/prefix or name"
        )
        parser.add_argument("--yes", action="store_true", help="do not ask")
        parser.add_argument(
            "--over", default="", metavar="NAME", help="overwrite this installation, by its name"
        )
        parser.add_argument(
            "--with-losses",
            action="store_true",
            help="also a set of which blobs are missing: bring what there is, and name what is lost",
        )
        parser.add_argument("--check", action="store_true", help="look at everything and change nothing")
        parser.add_argument(
            "--keys-to", type=Path, metavar="FILE", help="write the keys of the set to a file, and end"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self.restore(options)
        except shown.KNOWN as error:
            raise CommandError(str(error)) from error

    def restore(self, options: dict[str, Any]) -> None:
        of = examining.opened(targets.get(options["target"]), options["set"], settings.BACKUP_PASSPHRASE)
        if options["keys_to"] is not None:
            self.write_keys(of, options["keys_to"])
            return
        if options["check"]:
            self.look_at(of, with_losses=options["with_losses"])
            self.stdout.write("It can be restored here. Nothing was changed.")
            return
        losses = options["with_losses"]
        with choosing.chosen(of, options["over"], audit.COMMAND, with_losses=losses) as accepts:
            self.look_at(of, with_losses=accepts)
            self.bring(of, options)

    def look_at(self, of: Opened, *, with_losses: bool) -> None:
        self.stdout.write(f"Looking at the set {of.head.name} of {of.head.made_at}.")
        if of.head.missing_count:
            lacks = counted(of.head.missing_count, "blob")
            self.stdout.write(f"It lacks {lacks}, which its backup did not find.")
        examining.check(of, with_losses=with_losses)
        examining.check_room(of)

    def bring(self, of: Opened, options: dict[str, Any]) -> None:
        if not options["yes"] and not agreed(self.question(of)):
            raise CommandError("Nothing was changed. Answer yes, or give --yes where nobody can be asked.")
        with shown.bar(quiet=not self.stderr.isatty()) as say:
            done = Restoring(of, audit.COMMAND, say).run()
        self.tell(of, done)

    def question(self, of: Opened) -> str:
        return (
            f"The database is replaced by that of {of.head.made_at}, and {of.head.files} blobs of "
            f"{decimal(of.head.files_size)} are brought back. Type yes to go on: "
        )

    def tell(self, of: Opened, done: restoring.Progress) -> None:
        self.stdout.write(f"The backup {of.head.name} is restored.")
        if done.lost:
            some = ", ".join(done.lost_examples[:5])
            self.stdout.write(
                f"{counted(done.lost, 'blob')} {are(done.lost)} lost, not whole in the set and in no other target, "
                f"such as {some}. Run manage.py verify to list them."
            )
        if done.remade:
            self.stdout.write(
                f"{counted(done.remade, 'derived file')} {are(done.remade)} made again by the workers."
            )
        for note in done.notes:
            self.stdout.write(note)
        if done.stays_on:
            self.stdout.write(
                "Maintenance was on before and stays on: end it with manage.py maintenance off."
            )

    def write_keys(self, of: Opened, path: Path) -> None:
        if not of.head.encrypted:
            raise BackupError("This set is not encrypted, so it holds no keys.")
        keys = sets.small_part(of.target.store, of.head, sets.KEYS, of.seal)
        if has_audit_log():
            row = Backup.objects.filter(name=of.head.name).first()
            with audit.noting("backup.keys", by=audit.COMMAND, target=row) as act:
                act.text = f"Wrote the keys of the set {of.head.name} of {of.target.name} to {path}."
                act.count = 1
                write_secret(path, keys)
        else:
            write_secret(path, keys)
            self.stdout.write("It was not noted: there is no audit log here yet.")
        self.stdout.write(f"The keys are in {path}, readable by you alone. Delete it when you have set them.")


def has_audit_log() -> bool:
    """Not on a new machine, where the keys are needed first of all."""
    try:
        AuditEntry.objects.exists()
    except DatabaseError:
        return False
    return True


def write_secret(path: Path, keys: Any) -> None:
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise BackupError(f"{path} is there already: name a file that is not.") from None
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(keys, file, indent=1)


def agreed(question: str) -> bool:
    try:
        return input(question) == "yes"
    except EOFError:
        return False
