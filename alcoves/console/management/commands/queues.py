"""`manage.py queues`: what waits and what is paused; pause, resume, slots, drain and release."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.table import Table

from alcoves.console import orders
from alcoves.queues import LANES
from alcoves.wording import spoken
from media import audit, backlog, workers
from media.errors import RequestError
from media.models import Control


class Command(BaseCommand):
    """The same as the console's pages of queues and workers."""

    help = "Look at queues and workers; pause and resume queues and lanes, set slots, drain workers."

    def add_arguments(self, parser: ArgumentParser) -> None:
        acts = parser.add_subparsers(dest="act", required=True, metavar="ACT")
        acts.add_parser("list", help="what waits, what runs, what is paused; and the workers")
        for act, what in (("pause", "take nothing new from a queue or lane"), ("drain", "of a worker")):
            one = acts.add_parser(act, help=what)
            one.add_argument("name")
            one.add_argument("--reason", default="", help="shown beside it")
        for act, what in (
            ("resume", "a queue or lane; `all` for what holds all lanes"),
            ("release", "a worker"),
        ):
            acts.add_parser(act, help=what).add_argument("name")
        slots = acts.add_parser("slots", help="of a lane, in each worker that serves it")
        slots.add_argument("lane", choices=LANES)
        slots.add_argument("number", help="1 to 64, or `default` for what the environment says")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if options["act"] == "list":
                show(Console(file=getattr(self.stdout, "_out", sys.stdout), highlight=False))
            else:
                self.stdout.write(act(options))
        except RequestError as error:
            raise CommandError(error.message) from error


def act(options: dict[str, Any]) -> str:
    """Does it, and returns the sentence that says so."""
    by, name = audit.COMMAND, options.get("name", "")
    match options["act"]:
        case "pause":
            return orders.pause(name, by=by, reason=options["reason"])
        case "resume":
            return orders.resume(name, by=by)
        case "drain":
            return orders.drain(name, by=by, reason=options["reason"])
        case "release":
            return orders.release(name, by=by)
    return orders.set_slots(options["lane"], options["number"], by=by)


def show(console: Console) -> None:
    reports = workers.find()
    found = backlog.find(reports)
    table = Table("Lane", "Queue", "Weight", "Waiting", "Rows", "Oldest", "Running", "Paused")
    for lane in found.lanes:
        for queue in lane.queues:
            depth = "?" if queue.depth is None else str(queue.depth)
            numbers = (str(queue.about.weight), depth, str(queue.rows), spoken(queue.age), str(queue.running))
            table.add_row(lane.name, queue.name, *numbers, paused(queue.pause))
    console.print(table)
    known = Table("Worker", "State", "Lane", "Slots", "Running", "Seen")
    for report in reports:
        seen = f"{report.seen_at:%Y-%m-%d %H:%M:%S}"
        known.add_row(
            report.name, report.state, report.lane, str(report.slots), str(len(report.running)), seen
        )
    console.print(known)


def paused(control: Control | None) -> str:
    if control is None:
        return ""
    return f"by {control.set_by}" + (f": {control.reason}" if control.reason else "")
