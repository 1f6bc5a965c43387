import hashlib
import io

import pytest

from media.errors import RunAbandonedError
from media.hashing import BLOCK, hash_stream


class Watched(io.BytesIO):
    """Notes how much is asked for at once."""

    largest = 0

    def read(self, size: int | None = -1, /) -> bytes:
        assert size is not None
        assert size > 0
        self.largest = max(self.largest, size)
        return super().read(size)


@pytest.mark.parametrize("size", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 7])
def test_the_digest_is_that_of_all_bytes(size: int) -> None:
    data = bytes(range(256)) * (size // 256 + 1)
    reader = Watched(data[:size])
    assert hash_stream(reader) == hashlib.sha256(data[:size]).hexdigest()
    assert reader.largest == BLOCK


def test_progress_counts_bytes() -> None:
    told: list[int] = []
    hash_stream(io.BytesIO(bytes(2 * BLOCK + 5)), progress=told.append)
    assert told == [BLOCK, 2 * BLOCK, 2 * BLOCK + 5]


def test_an_abandoned_run_reads_no_further() -> None:
    reader = io.BytesIO(bytes(10 * BLOCK))
    with pytest.raises(RunAbandonedError):
        hash_stream(reader, abandoned=lambda: reader.tell() >= 2 * BLOCK)
    assert reader.tell() == 2 * BLOCK
