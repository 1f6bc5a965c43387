"""`manage.py images`: make the sizes of pictures ahead, keep the cache under its cap, say how full it is, clear it."""

import threading
import time
from argparse import ArgumentParser
from collections import Counter
from typing import Any

import redis
from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.filesize import decimal
from rich.progress import Progress
from rich.table import Table

from alcoves.wording import are, counted
from media import audit, evicting, prewarm
from media.evicting import Evicted

FOR_EVER = float("inf")
PAUSE = threading.Event()
PAUSE_SECONDS = 1.0
WORDS = {
    "warm": "made warm",
    "failed": "could not be made; the reason is on the original in the console",
    "deferred": "left to a later pass: the machine or a store was not able to",
    "given_up": "given up: changed or gone meanwhile",
}


class Command(BaseCommand):
    help = "The image cache: warm, evict, usage, clear."

    def add_arguments(self, parser: ArgumentParser) -> None:
        work = parser.add_subparsers(dest="work", required=True)
        warm = work.add_parser("warm", help="make the registry's sizes of every picture that has none yet")
        warm.add_argument(
            "--send", action="store_true", help="leave the work to the workers, a pass at a time"
        )
        work.add_parser("evict", help="bring the cache under its cap now")
        work.add_parser("usage", help="how much lies in the cache")
        clear = work.add_parser("clear", help="take every free size out of the cache")
        clear.add_argument(
            "--variants", action="store_true", help="the registry's sizes too; they are warmed again"
        )
        clear.add_argument("--yes", action="store_true", help="do not ask")

    def handle(self, *args: Any, **options: Any) -> None:
        self.console = Console(file=getattr(self.stdout, "_out", None), highlight=False)
        getattr(self, options["work"])(options)

    def warm(self, options: dict[str, Any]) -> None:
        if options["send"]:
            self.send()
            return
        total = prewarm.waiting()
        ended: Counter[str] = Counter()
        began = time.monotonic()
        with Progress(console=self.console, transient=True) as progress:
            bar = progress.add_task("Pictures", total=total)
            while claims := prewarm.claim(1):
                ended[prewarm.warm(claims[0])] += 1
                progress.advance(bar)
        if not ended:
            self.console.print("Nothing is to be warmed: all pictures are, or somebody is at it.")
        for outcome, count in ended.items():
            self.console.print(f"{counted(count, 'picture')} {WORDS[outcome]}.")
        if ended:
            self.console.print(f"That took {time.monotonic() - began:.1f} s.")
        if ended["failed"]:
            raise CommandError("Some pictures could not be made. The others are not touched by that.")

    def send(self) -> None:
        sent = 0
        while claims := prewarm.claim():
            sent += (now := prewarm.send(claims))
            if now < len(claims) or not self.wait_for_workers(sent):
                raise CommandError(
                    f"{said(sent)}; then the broker was away. Start Redis and try again in 15 minutes."
                )
        self.console.print(f"{said(sent)} to the workers.")

    def wait_for_workers(self, sent: int) -> bool:
        """Until there is room for more; False where Redis is away."""
        told = False
        try:
            while not prewarm.has_room():
                if not told:
                    self.console.print(
                        f"{said(sent)}. The next follow while the workers make these; Ctrl-C leaves them to the "
                        "hourly pass."
                    )
                    told = True
                PAUSE.wait(PAUSE_SECONDS)
        except redis.RedisError:
            return False
        return True

    def evict(self, options: dict[str, Any]) -> None:
        self.console.print(gone_sentence(evicting.evict(by=audit.COMMAND)))
        self.usage(options)

    def usage(self, options: dict[str, Any]) -> None:
        told = evicting.usage()
        table = Table("What", "Count", "Size")
        table.add_row("registry variants", f"{told.variants:,}", decimal(told.variants_size))
        table.add_row("free sizes", f"{told.free:,}", decimal(told.free_size))
        table.add_row("all", f"{told.images:,}", decimal(told.size))
        self.console.print(table)
        self.console.print(
            f"{decimal(told.size)} of {decimal(told.cap)} are taken, {told.size / told.cap:.0%} of the cap."
        )
        waiting = prewarm.waiting()
        self.console.print(f"{counted(waiting, 'picture')} {are(waiting)} still to be warmed.")
        if told.warning:
            self.console.print(told.warning)

    def clear(self, options: dict[str, Any]) -> None:
        what = "Everything" if options["variants"] else "Every free size"
        if not options["yes"] and not agreed(f"{what} leaves the image cache. Type yes to go on: "):
            raise CommandError("Nothing was cleared. Answer yes, or give --yes where nobody can be asked.")
        gone, _ = evicting.clear(by=audit.COMMAND, variants=options["variants"], seconds=FOR_EVER)
        self.console.print(gone_sentence(gone))


def agreed(question: str) -> bool:
    try:
        return input(question) == "yes"
    except EOFError:
        return False


def said(sent: int) -> str:
    return f"{counted(sent, 'picture')} {are(sent)} sent"


def gone_sentence(gone: Evicted) -> str:
    if not gone.images:
        return "Nothing had to go."
    pictures = counted(gone.images, "picture")
    return f"{pictures} of {decimal(gone.size)} left the cache. Their blobs are swept in a few minutes."
