"""`manage.py settings`: what operators change at run time, from a terminal or a script."""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from alcoves import env
from alcoves.console.settings import changing, describing, portable
from alcoves.console.settings.changing import RESET, Change
from alcoves.settings.live import TABLE
from media import audit, live
from media.errors import MediaError


class Command(BaseCommand):
    """One subcommand each; the sentence of an error is that of the console and of the API."""

    help = "Shows and changes the settings that need no restart."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        ways = parser.add_subparsers(dest="way", required=True, metavar="WAY")
        shows = ways.add_parser("list", help="all, with where each value comes from")
        shows.add_argument("--changed", action="store_true", help="only those that are in the database")
        gets = ways.add_parser("get", help="one, with what it means")
        gets.add_argument("name")
        sets = ways.add_parser("set", help="change one, for all processes at once")
        sets.add_argument("name")
        sets.add_argument("value")
        resets = ways.add_parser("reset", help="back to the environment or the default")
        resets.add_argument("names", nargs="+", metavar="name")
        exports = ways.add_parser("export", help="what the database has, as JSON")
        exports.add_argument("file", nargs="?", default="-")
        exports.add_argument(
            "--all", action="store_true", help="what the environment and the defaults say too"
        )
        for one in (shows, gets, exports):
            one.add_argument("--with-secrets", action="store_true", help="show secrets too")
        for one in (shows, gets):
            one.add_argument("--json", action="store_true")
        takes = ways.add_parser("import", help="take in such a file, all of it or nothing")
        takes.add_argument("file")
        moves = ways.add_parser(
            "migrate-from-env", help="copy what the environment says to the database, once"
        )
        for one in (takes, moves):
            one.add_argument("--dry-run", action="store_true", help="say what would be done")

    def handle(self, *args: Any, way: str, **options: Any) -> None:
        act = getattr(self, "do_" + {"import": "import", "migrate-from-env": "migrate"}.get(way, way))
        try:
            act(options)
        except MediaError as error:
            raise CommandError(error.message) from error

    def do_list(self, options: dict[str, Any]) -> None:
        found = [one for one in describing.everything() if not options["changed"] or one.source == "database"]
        secrets = options["with_secrets"]
        if options["json"]:
            self.say([describing.as_json(one, secrets=secrets) for one in found])
            return
        group = ""
        for one in found:
            if one.row.group != group:
                group = one.row.group
                self.stdout.write(f"\n{group}")
            value = one.value if secrets else one.row.shown(one.value)
            unit = f" {one.row.unit}" if one.row.unit else ""
            self.stdout.write(f"  {one.row.name} = {json.dumps(value)}{unit} ({one.source})")
            if one.problem:
                self.stdout.write(f"    {one.problem}")

    def do_get(self, options: dict[str, Any]) -> None:
        told = describing.as_json(describing.one(options["name"]), secrets=options["with_secrets"])
        if options["json"]:
            self.say(told)
            return
        self.stdout.write(json.dumps(told["value"]))
        self.stderr.write(f"{told['help']} From the {told['source']}; default {json.dumps(told['default'])}.")
        if told["problem"]:
            self.stderr.write(told["problem"])

    def do_set(self, options: dict[str, Any]) -> None:
        row = changing.find(options["name"])
        self.tell(changing.change({row.name: row.read(options["value"])}, by=audit.COMMAND))

    def do_reset(self, options: dict[str, Any]) -> None:
        self.tell(changing.change(dict.fromkeys(options["names"], RESET), by=audit.COMMAND))

    def do_export(self, options: dict[str, Any]) -> None:
        text = portable.written(secrets=options["with_secrets"], all_of_them=options["all"])
        if options["file"] == "-":
            self.stdout.write(text)
            return
        path = Path(options["file"])
        try:
            write_for_us(path, text + "\n")
        except OSError as error:
            raise CommandError(f"{path} cannot be written: {error.strerror}.") from error

    def do_import(self, options: dict[str, Any]) -> None:
        path = options["file"]
        try:
            text = sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"{path} cannot be read: {error}.") from error
        imported = portable.taken_in(text, by=audit.COMMAND, dry_run=options["dry_run"])
        self.tell(imported.changes, would=options["dry_run"])
        for name in imported.hidden:
            self.stdout.write(f"{name} is hidden in this file and stays as it is here.")

    def do_migrate(self, options: dict[str, Any]) -> None:
        texts = live.stored()
        named = [row for row in TABLE if row.env and env.raw(row.env)]
        for row in named:
            if row.name in texts:
                self.stdout.write(f"{row.name} is in the database already and stays as it is there.")
        wanted = {row.name: live.given(row.name) for row in named if row.name not in texts}
        changes = changing.plan(wanted) if options["dry_run"] else changing.change(wanted, by=audit.COMMAND)
        would = "would be" if options["dry_run"] else "was"
        for one in changes:
            self.stdout.write(f"{one.row.name} {would} copied from {one.row.env}: {one.row.told(one.new)}.")
        if not named:
            self.stdout.write("The environment names none of these settings: nothing to copy.")

    def tell(self, changes: list[Change], *, would: bool = False) -> None:
        for one in changes:
            self.stdout.write(f"Would change {one}." if would else f"{one}.")
        if not changes:
            self.stdout.write(
                "Nothing is to be changed." if would else "Nothing was changed: it is so already."
            )

    def say(self, told: Any) -> None:
        self.stdout.write(json.dumps(told, indent=2, ensure_ascii=False))


def write_for_us(path: Path, text: str) -> None:
    """Readable by its owner alone, also where the file is there already: secrets may be in it."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        os.fchmod(handle, 0o600)
        file.truncate()
        file.write(text)
