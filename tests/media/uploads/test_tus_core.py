"""tus without HTTP: broken lines, two writers, dead processes, any split of the bytes."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from alcoves.accounts.models import User
from media import blobs
from media.errors import MediaError
from media.libraries import create_library
from media.models import Derivative, File, Library, UnnamedBlob, Upload
from media.uploads import digests, finishing, locks, passage, tus
from media.uploads.errors import ClientGoneError, GoneError, LockedError, OffsetError, TooLongError
from media.uploads.passage import Checksum
from media.uploads.tus import Creation, Patch
from storage.errors import StoreError, StoreFullError
from storage.registry import get_store
from tests.media.uploads.speaking import PNG, dying
from tests.storage.conformance import chunked, data_of, sha256_of


def begin(library: Library, user: User, length: int | None) -> Upload:
    return tus.create(Creation(library, user.pk, "a.png", length))


def kept(upload: Upload) -> int:
    return Upload.objects.get(pk=upload.pk).offset


def test_a_broken_line_keeps_what_came(library: Library, alice: User, any_store: str) -> None:
    data = data_of(6_000_000)
    upload = begin(library, alice, len(data))
    with pytest.raises(ClientGoneError, match="5500000 bytes are kept"):
        tus.append(upload.pk, Patch(0, dying(*chunked(data[:5_500_000])), size=len(data)))
    assert kept(upload) == 5_500_000
    assert Upload.objects.get().lock_token is None
    done = tus.append(upload.pk, Patch(5_500_000, [data[5_500_000:]]))
    assert done.file is not None
    assert done.file.original.sha256 == sha256_of(data)


def test_a_broken_line_with_a_checksum_keeps_nothing(library: Library, alice: User) -> None:
    upload = begin(library, alice, 100)
    with pytest.raises(MediaError, match="damaged"):
        tus.append(upload.pk, Patch(0, dying(b"a" * 10), checksum=Checksum("sha1", b"x")))
    assert kept(upload) == 0


def test_more_than_declared_is_never_stored(library: Library, alice: User, any_store: str) -> None:
    upload = begin(library, alice, 10)
    with pytest.raises(TooLongError):
        tus.append(upload.pk, Patch(0, [b"01234", b"56789", b"x"]))
    assert kept(upload) == 0
    done = tus.append(upload.pk, Patch(0, [b"0123456789"]))
    assert done.file is not None
    assert done.file.original.size == 10
    assert done.file.original.sha256 == sha256_of(b"0123456789")


def test_checkpoints_save_the_offset_on_the_way(
    library: Library, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passage, "CHECKPOINT", 1000)
    seen: list[int] = []

    def body() -> Iterator[bytes]:
        for _ in range(5):
            seen.append(kept(upload))
            yield b"x" * 600

    upload = begin(library, alice, 3001)
    assert tus.append(upload.pk, Patch(0, body())).offset == 3000
    assert seen == [0, 0, 1200, 1200, 2400]


def test_a_second_writer_waits(library: Library, alice: User) -> None:
    upload = begin(library, alice, 10)

    def body() -> Iterator[bytes]:
        for verb in (lambda: tus.append(upload.pk, Patch(0, [b"y"])), lambda: tus.terminate(upload.pk)):
            with pytest.raises(LockedError):
                verb()
        yield b"01234"

    tus.append(upload.pk, Patch(0, body()))
    assert kept(upload) == 5
    tus.append(upload.pk, Patch(5, [b"5"]))


def test_the_lock_of_a_dead_process_runs_out(library: Library, alice: User) -> None:
    upload = begin(library, alice, 10)
    soon = timezone.now() + timedelta(seconds=20)
    Upload.objects.update(lock_token=uuid4(), locked_until=soon)
    with pytest.raises(LockedError):
        tus.append(upload.pk, Patch(0, [b"x"]))
    Upload.objects.update(locked_until=timezone.now())
    assert tus.append(upload.pk, Patch(0, [b"x"])).offset == 1


def test_a_writer_that_was_away_stops_at_its_next_byte(
    library: Library, alice: User, any_store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its line hung, its lock ran out, the client came back on another line and has gone on."""
    monkeypatch.setattr(locks, "RENEW_AFTER", 0.0)
    upload = begin(library, alice, 10)

    def hanging() -> Iterator[bytes]:
        yield b"AB"
        Upload.objects.update(locked_until=timezone.now())
        tus.append(upload.pk, Patch(0, [b"012345"]))
        yield b"CD"

    with pytest.raises(LockedError):
        tus.append(upload.pk, Patch(0, hanging()))
    assert kept(upload) == 6
    done = tus.append(upload.pk, Patch(6, [b"6789"]))
    assert done.file is not None
    with get_store("files").open(done.file.original.key) as blob:
        assert blob.read() == b"0123456789"


@pytest.mark.django_db(transaction=True)
def test_many_writers_at_once_never_corrupt(settings: Any) -> None:
    owner = User.objects.create_user("owner@example.org", "owner-password")
    upload = begin(create_library(owner, "Busy"), owner, 60_000)
    data = data_of(60_000)
    unexpected: list[BaseException] = []
    barrier = threading.Barrier(6)

    def work() -> None:
        barrier.wait()
        try:
            while (offset := kept(upload)) < len(data):
                try:
                    tus.append(upload.pk, Patch(offset, chunked(data[offset : offset + 7000])))
                except (LockedError, OffsetError):
                    continue
        except BaseException as error:  # noqa: BLE001  Told by the main thread.
            unexpected.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert unexpected == []
    file = File.objects.select_related("original").get()
    with get_store("files").open(file.original.key) as blob:
        assert blob.read() == data


@pytest.mark.django_db(transaction=True)
def test_finished_by_many_at_once_is_one_file(any_store: str) -> None:
    owner = User.objects.create_user("owner@example.org", "owner-password")
    upload = begin(create_library(owner, "Busy"), owner, len(PNG))
    assembly, _ = get_store("files").append(upload.assembly, 0, [PNG])
    Upload.objects.update(offset=len(PNG), assembly=assembly)
    results: list[UUID | BaseException | None] = []
    barrier = threading.Barrier(6)

    def work() -> None:
        barrier.wait()
        try:
            results.append(finishing.finish(upload.pk, finishing.publish_assembly, None, way="tus").file_id)
        except BaseException as error:  # noqa: BLE001  Told by the main thread.
            results.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    file = File.objects.select_related("original").get()
    good = [result for result in results if not isinstance(result, BaseException)]
    assert set(good) == {file.pk}
    # Publishing one blob from several processes at the same moment may lose the race, never the bytes.
    assert all(isinstance(result, (StoreError, GoneError)) for result in results if result not in good)
    assert not UnnamedBlob.objects.filter(key=file.original.key).exists()
    blobs.sweep()
    assert get_store("files").stat(file.original.key).size == len(PNG)


@pytest.mark.parametrize("crash", ["before the store's finish", "between the store's finish and the naming"])
def test_a_crash_at_the_end_is_made_good_by_a_look(
    library: Library, alice: User, any_store: str, crash: str
) -> None:
    upload = begin(library, alice, len(PNG))
    assembly, _ = get_store("files").append(upload.assembly, 0, [PNG])
    Upload.objects.update(offset=len(PNG), assembly=assembly)
    if crash.startswith("between"):
        blobs.register([upload.key])
        get_store("files").finish(assembly, size=len(PNG))
    for _ in range(2):
        file = tus.look(tus.load(upload.pk)).file
        assert file is not None
        assert (file.pk, file.original.size) == (File.objects.get().pk, len(PNG))


def test_bytes_that_were_swept_are_gone(library: Library, alice: User, any_store: str) -> None:
    upload = begin(library, alice, len(PNG))
    Upload.objects.update(offset=len(PNG))
    get_store("files").abort(upload.assembly)
    with pytest.raises((GoneError, StoreError)):
        tus.look(tus.load(upload.pk))
    assert not File.objects.exists()


def test_a_full_disk_changes_nothing(library: Library, alice: User, settings: Any) -> None:
    upload = begin(library, alice, 10)
    tus.append(upload.pk, Patch(0, [b"01234"]))
    get_store("files").min_free_bytes = 2**62  # type: ignore[attr-defined]
    with pytest.raises(StoreFullError):
        tus.append(upload.pk, Patch(5, [b"56789"]))
    get_store("files").min_free_bytes = 0  # type: ignore[attr-defined]
    done = tus.append(upload.pk, Patch(5, [b"56789"]))
    assert done.file is not None
    assert done.file.original.sha256 == sha256_of(b"0123456789")


def test_hash_states_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digests, "MOST", 2)
    ids = [uuid4() for _ in range(3)]
    for key in ids:
        state = digests.get(key, 0)
        assert state is not None
        digests.keep(key, 1, state)
    assert [digests.get(key, 1) is None for key in ids] == [True, False, False]


STEPS = st.lists(
    st.tuples(
        st.integers(0, 1500),
        st.sampled_from(["fine", "broken", "damaged", "declared", "restart"]),
        st.integers(1, 700),
    ),
    max_size=10,
)  # fmt: skip


@hypothesis_settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(size=st.integers(1, 4000), deferred=st.booleans(), steps=STEPS)
def test_any_split_with_any_break_ends_in_the_same_bytes(
    library: Library, alice: User, size: int, deferred: bool, steps: list[tuple[int, str, int]]
) -> None:
    """Requests of any size, lines that break anywhere, damaged bytes, restarts: one file, the right digest."""
    data, restarted = data_of(size), False
    upload = begin(library, alice, None if deferred else size)
    for wanted, event, block in [*steps, (size, "declared", 512)]:
        row = Upload.objects.get(pk=upload.pk)
        if row.finished_at is not None:
            break
        piece = data[row.offset : row.offset + wanted]
        if event == "restart" and row.offset:
            digests.forget()
            restarted = True
        try:
            tus.append(upload.pk, request_of(row, piece, event, block, size))
        except MediaError:
            assert event in {"broken", "damaged"}
    file = Upload.objects.get(pk=upload.pk).file
    assert file is not None
    original = file.original
    with get_store("files").open(original.key) as blob:
        assert blob.read() == data
    digest = sha256_of(data)
    assert original.sha256 == digest or (restarted and original.sha256 is None)
    assert original.sha256 or Derivative.objects.filter(original=original, deriver="hash").exists()


def request_of(row: Upload, piece: bytes, event: str, block: int, size: int) -> Patch:
    if event == "broken":
        return Patch(row.offset, dying(*chunked(piece, block)))
    if event == "damaged":
        return Patch(row.offset, [piece], checksum=Checksum("sha256", b"not this"))
    length = size if event == "declared" and row.length is None else None
    return Patch(row.offset, chunked(piece, block), length=length)
