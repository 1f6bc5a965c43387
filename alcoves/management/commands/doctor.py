"""`manage.py doctor`: one page on the state of this machine and this installation."""

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from rich.console import Console

from alcoves.doctor import examining, printing, table
from alcoves.doctor.findings import Level


class Command(BaseCommand):
    """Ends with 0 where nothing has to be done, 2 at a failure, and with --strict 1 at a warning."""

    help = __doc__ or ""
    requires_system_checks: list[str] = []
    requires_migrations_checks = False

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="for programs")
        parser.add_argument("--strict", action="store_true", help="a warning counts too")

    def handle(self, *args: Any, **options: Any) -> None:
        answers = examining.examine(table.CHECKS)
        if options["json"]:
            self.stdout.write(printing.as_json(answers))
        elif sys.stdout.isatty() and not options["no_color"]:
            console = Console()
            console.print(printing.table(answers))
            console.print(printing.summary(answers))
        else:
            self.stdout.write(printing.plain(answers))
        level = examining.worst(answers)
        if level == Level.FAILURE:
            sys.exit(2)
        if level == Level.WARNING and options["strict"]:
            sys.exit(1)
