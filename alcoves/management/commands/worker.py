"""`manage.py worker`: one capped worker, or with --lanes a process per lane under a supervisor."""

import sys
from typing import Any, cast

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from alcoves.embedded import lanes
from alcoves.queues import LANES, Lane


class Command(BaseCommand):
    """Consume queues until Ctrl-C."""

    help = __doc__ or ""
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--lanes", help="comma-separated: a niced process for each, restarted when it ends"
        )
        parser.add_argument("--lane", choices=LANES, help="this process consumes one lane only")
        parser.add_argument("--concurrency", type=int, help="tasks at once (default: from the settings)")

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.MODE == "server":
            raise CommandError(
                "ALCOVES_MODE is server, so nothing is worked on here. Set it to worker or all."
            )
        if options["concurrency"] is not None and options["concurrency"] < (1 if options["lane"] else 2):
            raise CommandError(
                "--concurrency is at least 2, so that quick work finds a slot (1 with --lane)."
            )
        if options["lanes"]:
            sys.exit(lanes.run(parse_lanes(options["lanes"])))
        # Celery's side of a worker is heavy, and only this branch needs it.
        from alcoves import worker

        sys.exit(worker.run(options["lane"], concurrency=options["concurrency"]))


def parse_lanes(given: str) -> list[Lane]:
    names = [name.strip() for name in given.split(",") if name.strip()]
    unknown = set(names) - set(LANES)
    if unknown or not names:
        raise CommandError(
            f"No lane is named {', '.join(sorted(unknown)) or '(nothing)'}; there are {', '.join(LANES)}."
        )
    return cast("list[Lane]", names)
