import hashlib
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.errors import ChecksumMismatchError, SizeMismatchError
from storage.streams import Tally, regroup, surviving


@given(st.lists(st.binary(max_size=30)), st.integers(1, 7))
def test_regrouping_keeps_every_byte(chunks: list[bytes], step: int) -> None:
    pieces = list(regroup(chunks, lambda number: step + number))
    assert b"".join(pieces) == b"".join(chunks)
    assert all(pieces)
    assert all(len(piece) == step + number for number, piece in enumerate(pieces[:-1]))
    assert not pieces or len(pieces[-1]) <= step + len(pieces) - 1


def test_a_tally_counts_and_hashes_what_passes() -> None:
    tally = Tally()
    assert list(tally.through([b"ab", b"", b"c"])) == [b"ab", b"", b"c"]
    assert (tally.size, tally.sha256) == (3, hashlib.sha256(b"abc").hexdigest())
    tally.verify()


def test_a_tally_stops_at_the_first_byte_too_many() -> None:
    read = []

    def chunks() -> Iterator[bytes]:
        for _ in range(10):
            read.append(1)
            yield b"xx"

    with pytest.raises(SizeMismatchError):
        list(Tally(size=5).through(chunks()))
    assert len(read) == 3


def test_a_tally_holds_to_its_promises() -> None:
    tally = Tally(size=4, sha256="00" * 32)
    list(tally.through([b"abc"]))
    with pytest.raises(SizeMismatchError, match="3 bytes arrived where 4"):
        tally.verify()
    wrong = Tally(size=3, sha256="00" * 32)
    list(wrong.through([b"abc"]))
    with pytest.raises(ChecksumMismatchError):
        wrong.verify()


def test_what_came_before_an_error_survives() -> None:
    def chunks() -> Iterator[bytes]:
        yield b"a"
        raise ConnectionResetError

    assert list(surviving(chunks())) == [b"a"]


def test_an_interrupt_is_no_error_of_the_source() -> None:
    def chunks() -> Iterator[bytes]:
        yield b"a"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(surviving(chunks()))
