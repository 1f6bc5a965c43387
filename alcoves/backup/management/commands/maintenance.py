"""`manage.py maintenance on|off|status`: shut people out and let work rest, and open again."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from alcoves.backup import maintenance, shown
from media import audit


class Command(BaseCommand):
    help = "Maintenance mode: members get 503 with your reason, workers take nothing new."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("turn", choices=("on", "off", "status"))
        parser.add_argument("--reason", default="", help="a sentence that people are shown")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            getattr(self, f"turn_{options['turn']}")(options)
        except shown.KNOWN as error:
            raise CommandError(str(error)) from error

    def turn_on(self, options: dict[str, Any]) -> None:
        told = maintenance.switch_on(options["reason"], by=audit.COMMAND)
        end = (
            "It ends with the restore, whoever switches it."
            if told.restoring
            else "End it with manage.py maintenance off."
        )
        self.stdout.write(f"Maintenance is on: {told.reason} {end}")

    def turn_off(self, options: dict[str, Any]) -> None:
        maintenance.switch_off(by=audit.COMMAND)
        self.stdout.write("Maintenance is off.")

    def turn_status(self, options: dict[str, Any]) -> None:
        told = maintenance.standing()
        self.stdout.write(
            f"Maintenance is on since {told.since}: {told.reason}" if told.on else "Maintenance is off."
        )
