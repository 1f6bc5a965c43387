"""Stdin from a stream of bytes: all of it arrives, and whose fault an end too early was is told."""

import sys
from collections.abc import Iterator

import pytest

from media.errors import InfrastructureError
from media.tools import feeding, run

COUNT = "import sys; print(len(sys.stdin.buffer.read()))"


def blocks(count: int, fault: Exception | None = None) -> Iterator[bytes]:
    for _ in range(count):
        yield bytes(100_000)
    if fault is not None:
        raise fault


def test_every_byte_arrives() -> None:
    with feeding.fed(blocks(50)) as stdin:
        done = run.run([sys.executable, "-c", COUNT], timeout=20, stdin=stdin)
    assert int(done.stdout) == 5_000_000


def test_a_program_that_has_enough_is_no_fault() -> None:
    with feeding.fed(blocks(50)) as stdin:
        done = run.run(
            [sys.executable, "-c", "import sys; sys.stdin.buffer.read(10); print(1)"], timeout=20, stdin=stdin
        )
    assert int(done.stdout) == 1


def test_what_the_stream_raises_is_raised_whatever_the_program_made_of_it() -> None:
    for program in (COUNT, "import sys; sys.stdin.buffer.read(); sys.exit(3)"):
        with (
            pytest.raises(InfrastructureError),
            feeding.fed(blocks(2, InfrastructureError("Away."))) as stdin,
        ):
            run.run([sys.executable, "-c", program], timeout=20, stdin=stdin)


def test_a_program_that_fails_ends_the_stream() -> None:
    with pytest.raises(run.ExitedError), feeding.fed(blocks(10_000)) as stdin:
        run.run([sys.executable, "-c", "import sys; sys.exit(3)"], timeout=20, stdin=stdin)
