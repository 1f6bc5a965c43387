"""`manage.py backup`: makes a set now, or lists, checks and removes sets of a target."""

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from rich.filesize import decimal

from alcoves.backup import checking, sealing, sets, shown, targets, writing
from alcoves.backup.errors import DamagedError
from alcoves.backup.models import ALL, NONE, ORIGINALS, Backup
from alcoves.backup.pruning import Keep
from alcoves.backup.sealing import Plain
from media import audit, live


class Command(BaseCommand):
    help = "Make a backup of the database, settings, keys and blobs. docs/backup.md says what is in it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--to", default="", metavar="TARGET", help="a folder, s3://bucket/prefix, or the name of a target"
        )
        parser.add_argument(
            "--blobs",
            nargs="?",
            const=ORIGINALS,
            choices=(ORIGINALS, ALL),
            help="take blobs along: originals (also what people brought along), or all that was made of them too",
        )
        parser.add_argument("--no-blobs", action="store_true", help="only the manifest tells of them")
        parser.add_argument(
            "--keep", type=int, metavar="N", help="keep the last set of N days, and no others"
        )
        parser.add_argument("--list", action="store_true", help="make nothing; list the sets of the target")
        parser.add_argument(
            "--check", metavar="SET", help="make nothing; read a set (or latest) and compare it"
        )
        parser.add_argument("--json", action="store_true", help="answer as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if options["list"]:
                self.show_sets(options)
            elif options["check"]:
                self.check_set(options)
            else:
                self.make(options)
        except shown.KNOWN as error:
            raise CommandError(str(error)) from error

    def make(self, options: dict[str, Any]) -> None:
        if options["keep"] is not None and options["keep"] < 1:
            raise CommandError("--keep must be at least 1: the last set is never removed.")
        which = NONE if options["no_blobs"] else options["blobs"] or str(live.value("BACKUP_BLOBS"))
        keep = Keep() if options["keep"] is None else Keep(options["keep"], audit.COMMAND)
        row = writing.ask(options["to"], which, by=audit.COMMAND)
        with shown.bar(quiet=options["json"] or not self.stderr.isatty()) as say:
            writing.make(row, say=say, keep=keep)
        row.refresh_from_db()
        if keep.trouble:
            self.stderr.write(f"Older sets were not all removed: {keep.trouble}")
        if options["json"]:
            self.stdout.write(json.dumps({**told_of(row), "removed": keep.gone}))
            return
        self.stdout.write(
            f"The backup {row.name} is in {row.target}: {decimal(row.size)} without blobs, {row.files} blobs of "
            f"{decimal(row.files_size)} named, {row.sent} of {decimal(row.sent_size)} sent now."
        )
        if not row.encrypted:
            self.stdout.write(
                "It is not encrypted and holds no keys. Give ALCOVES_BACKUP_PASSPHRASE to have both."
            )
        if row.error:
            self.stdout.write(row.error)

    def show_sets(self, options: dict[str, Any]) -> None:
        target = targets.get(options["to"])
        found, left_out = sets.read_all(target.store)
        for name, error in left_out.items():
            self.stderr.write(f"{name} is left out: {error}")
        if options["json"]:
            self.stdout.write(json.dumps([asdict(head) for head in found]))
            return
        for head in found:
            lock = "encrypted" if head.encrypted else "plain"
            size = decimal(head.files_size)
            self.stdout.write(
                f"{head.name}  {head.made_at}  {lock}  blobs: {head.blobs}, {head.files} of {size}"
            )
        if not found:
            self.stdout.write(f"There is no set in {target}.")

    def check_set(self, options: dict[str, Any]) -> None:
        target = targets.get(options["to"])
        name = options["check"]
        if name == "latest":
            found = sets.heads(target.store)
            name = found[-1].name if found else name
        head = sets.read_head(target.store, name)
        seal = sealing.find(target.store, settings.BACKUP_PASSPHRASE) if head.encrypted else None
        seal = seal or Plain()
        found_blobs, sentence = checking.Checked(), ""
        try:
            checking.check_parts(target.store, head, seal)
            found_blobs = checking.check_blobs(target.store, head, seal, deep=True, target=target.name)
        except DamagedError as error:
            sentence = str(error)
        sentence = sentence or found_blobs.sentence()
        checking.record(head.name, target.name, sentence)
        if sentence:
            raise CommandError(sentence)
        self.stdout.write(
            f"The set {head.name} is whole: {len(head.parts)} parts and {found_blobs.files} blobs read and compared."
        )


def told_of(row: Backup) -> dict[str, Any]:
    names = (
        "name",
        "target",
        "state",
        "encrypted",
        "blobs",
        "size",
        "files",
        "files_size",
        "sent",
        "sent_size",
    )
    return {**{name: getattr(row, name) for name in names}, "missing": row.missing, "error": row.error}
