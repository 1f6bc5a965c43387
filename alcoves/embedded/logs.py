"""What a part prints: a file of its own that cannot grow without limit, and the last lines for messages."""

import contextlib
from collections import deque
from collections.abc import Callable
from pathlib import Path

LARGEST = 10 * 1024 * 1024
KEPT_LINES = 20
LONGEST_LINE = 2000


class PartLog:
    """One part's log: `NAME.log`, and `NAME.log.1` from before the last rotation."""

    def __init__(
        self,
        path: Path,
        *,
        largest: int = LARGEST,
        kept_lines: int | None = KEPT_LINES,
        echo: Callable[[str], None] | None = None,
    ) -> None:
        self.path = path
        self.last_lines: deque[str] = deque(maxlen=kept_lines)
        self._largest = largest
        self._echo = echo
        self._rest = ""
        self._file = self.path.open("ab", buffering=0)
        self._rotate_when_large()

    def write(self, data: bytes) -> None:
        with contextlib.suppress(OSError):
            # A full disk must not stop the part whose words these are.
            self._file.write(data)
            self._rotate_when_large()
        *lines, rest = (self._rest + data.decode(errors="replace")).split("\n")
        self._rest = rest[-LONGEST_LINE:]
        for line in lines:
            self._keep(line)

    def finish(self) -> None:
        """The process ended: a last line without its end counts too."""
        if self._rest:
            self._keep(self._rest)
            self._rest = ""

    def close(self) -> None:
        self._file.close()

    @property
    def reason(self) -> str:
        """The last line that says something."""
        said = [line.strip() for line in self.last_lines if line.strip()]
        return said[-1] if said else "it said nothing"

    def _keep(self, line: str) -> None:
        self.last_lines.append(line)
        if self._echo is not None:
            self._echo(line)

    def _rotate_when_large(self) -> None:
        if self._file.tell() < self._largest:
            return
        self._file.close()
        self.path.replace(self.path.with_name(f"{self.path.name}.1"))
        self._file = self.path.open("ab", buffering=0)
