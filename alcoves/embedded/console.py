"""What a person sees: a small live table on a terminal, plain lines everywhere else."""

import contextlib
import sys
import time
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from rich.live import Live

STYLES = {
    "waiting": "dim",
    "starting": "yellow",
    "ready": "green",
    "done": "green",
    "restarting": "bold red",
    "hanging": "bold red",
    "stopping": "yellow",
    "stopped": "dim",
}


class Console:
    """Plain lines. A terminal that went away must not stop the stopping, so no failed print gets out."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream if stream is not None else sys.stdout

    def start(self) -> None:
        """Nothing to set up."""

    def close(self) -> None:
        """Nothing to put back."""

    def say(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            self.stream.write(f"{text}\n")
            self.stream.flush()

    def part(self, name: str, state: str, detail: str = "") -> None:
        if state not in {"waiting", "starting", "stopping"}:
            self.say(f"{name} {state}{' ' if detail else ''}{detail}")

    def framed(self, title: str, text: str) -> None:
        """Something a person must not overlook, such as a first password."""
        rule = "-" * 72
        self.say(f"{rule}\n{title}\n{text}\n{rule}")


class LiveConsole(Console):
    """A table at the bottom of the terminal; everything said scrolls above it."""

    def __init__(self, stream: TextIO | None = None) -> None:
        super().__init__(stream)
        self._rows: dict[str, tuple[str, str]] = {}
        self._since = time.monotonic()
        self._live: Live | None = None

    def start(self) -> None:
        from rich.console import Console as RichConsole
        from rich.live import Live

        screen = RichConsole(file=self.stream, highlight=False)
        # Redrawn when something changes, not on a timer: an idle terminal costs nothing.
        self._live = Live(self._table(), console=screen, auto_refresh=False, redirect_stdout=False)
        self._guarded(self._live.start)

    def close(self) -> None:
        if self._live is not None:
            self._guarded(self._live.stop)
            self._live = None

    def say(self, text: str) -> None:
        if self._live is None:
            super().say(text)
            return
        live = self._live
        self._guarded(lambda: live.console.print(text, markup=False, soft_wrap=True))

    def part(self, name: str, state: str, detail: str = "") -> None:
        self._rows[name] = (state, detail)
        if self._live is not None:
            live = self._live
            self._guarded(lambda: live.update(self._table(), refresh=True))

    def _table(self) -> Any:
        from rich.table import Table

        table = Table.grid(padding=(0, 2))
        for name, (state, detail) in self._rows.items():
            table.add_row(name, f"[{STYLES.get(state, 'white')}]{state}[/]", detail)
        return table

    @staticmethod
    def _guarded(call: Any) -> None:
        with contextlib.suppress(OSError, ValueError):
            call()


def make_console(stream: TextIO | None = None) -> Console:
    stream = stream if stream is not None else sys.stdout
    return LiveConsole(stream) if stream.isatty() else Console(stream)
