"""Pictures that are nearly the same: found as they come, grouped page by page, and never asked about twice."""

import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pytest
from django.db import connection, transaction
from django.utils import timezone
from PIL import Image

from media import audit, holding, reprocess, trash
from media.libraries import create_library
from media.models import Derivative, File, Library, Original, Stack
from media.reprocess import Selection
from ml.models import PictureEmbedding, SimilarDecision, SimilarPair
from ml.search import keeping, pairing, recording, similar
from ml.search.encoders import unit
from ml.search.keeping import Copy
from ml.search.recording import Seen
from ml.search.similar import Group, Limits
from tests.ingesting import run_queued
from tests.meanwhile import waits_for_a_lock
from tests.ml.search.conftest import drawing, put, saved
from tests.workers import wait_until

pytestmark = pytest.mark.django_db
USUAL = Limits()
WIDE = Limits(pairing.LOOSEST, pairing.MOST_BITS)


def names(groups: Sequence[Group]) -> list[list[str]]:
    files = {file.original_id: file.name for file in File.objects.all()}
    return [sorted(files[original] for original in group.originals) for group in groups]


def groups_in(library: Library, limits: Limits = USUAL) -> list[list[str]]:
    return names(similar.page(library, limits, None, 50)[0])


@pytest.fixture
def copies(searched: Library, tiny_search: Path, tmp_path: Path) -> dict[str, File]:
    """A picture, made smaller, encoded anew; another picture, turned and cut."""
    pixels = drawing(1)
    made = {
        "whole.png": saved(pixels, tmp_path / "whole.png"),
        "small.jpg": saved(pixels, tmp_path / "small.jpg", (120, 80), quality=60),
        "bad.webp": saved(pixels, tmp_path / "bad.webp", quality=30),
        "other.png": saved(drawing(2), tmp_path / "other.png"),
        "mirrored.png": saved(np.ascontiguousarray(pixels[:, ::-1]), tmp_path / "mirrored.png"),
        "part.png": saved(np.ascontiguousarray(pixels[:80, :120]), tmp_path / "part.png"),
    }
    return {name: put(searched, path) for name, path in made.items()}


def test_copies_are_one_group_and_other_pictures_in_none(searched: Library, copies: dict[str, File]) -> None:
    assert groups_in(searched) == [["bad.webp", "small.jpg", "whole.png"]]
    (group,), following = similar.page(searched, Limits(), None, 50)
    assert following is None
    assert not group.cut
    assert all(link.distance < 0.03 and link.bits <= 6 for link in group.originals.values())


@pytest.mark.shared
def test_copies_of_real_pictures_are_found_and_different_ones_are_not(
    searched: Library, shared_models: Path, shared_media: Path, tmp_path: Path
) -> None:
    for path in (*sorted((shared_media / "objects").iterdir()), *sorted((shared_media / "faces").iterdir())):
        put(searched, path)
        if path.name in {"jockey.jpg", "dog_human.jpg", "gauss.png"}:
            with Image.open(path) as image:
                pixels = np.asarray(image.convert("RGB"))
            half = (pixels.shape[1] // 2, pixels.shape[0] // 2)
            put(searched, saved(pixels, tmp_path / f"{path.stem}-half.webp", half, quality=80))
            put(searched, saved(pixels, tmp_path / f"{path.stem}-again.jpg", quality=70))
    found = groups_in(searched)
    for stem, suffix in (("jockey", "jpg"), ("dog_human", "jpg"), ("gauss", "png")):
        assert sorted([f"{stem}-again.jpg", f"{stem}-half.webp", f"{stem}.{suffix}"]) in found
    assert sorted(["curie_orientation6.jpg", "curie_pierre_marie.jpg"]) in found
    assert len(found) == 4


def test_trashed_purged_and_restored(searched: Library, copies: dict[str, File]) -> None:
    trash.trash(searched, [copies["small.jpg"].pk])
    assert groups_in(searched) == [["bad.webp", "whole.png"]]
    trash.trash(searched, [copies["bad.webp"].pk])
    assert groups_in(searched) == []
    trash.restore(searched, [copies["small.jpg"].pk])
    assert groups_in(searched) == [["small.jpg", "whole.png"]]
    trash.purge(searched, [copies["bad.webp"].pk])
    assert groups_in(searched) == [["small.jpg", "whole.png"]]
    assert not SimilarPair.objects.filter(first__original=copies["bad.webp"].original_id).exists()


def test_what_is_set_aside_is_like_nothing(searched: Library, copies: dict[str, File]) -> None:
    held = [copies["small.jpg"].original_id]
    holding.hold(held, audit.SYSTEM, "Somebody complained.")
    assert groups_in(searched) == [["bad.webp", "whole.png"]]
    holding.release(held, audit.SYSTEM)
    assert groups_in(searched) == [["bad.webp", "small.jpg", "whole.png"]]


def test_what_was_decided_does_not_come_back(searched: Library, copies: dict[str, File]) -> None:
    three = [copies[name].original_id for name in ("whole.png", "small.jpg", "bad.webp")]
    assert similar.keep_all(searched, three, None) == 3
    assert groups_in(searched) == []
    reprocess.reprocess(Selection(deriver="embedding"))
    run_queued()
    assert groups_in(searched, WIDE) == []
    assert SimilarDecision.objects.count() == 3
    assert similar.ask_again(searched, three[:2]) == 1
    assert groups_in(searched) == [["small.jpg", "whole.png"]]
    assert similar.ask_again(searched, three) == 2
    assert groups_in(searched) == [["bad.webp", "small.jpg", "whole.png"]]


def test_a_run_that_is_repeated_leaves_the_same_groups(searched: Library, copies: dict[str, File]) -> None:
    before = SimilarPair.objects.count()
    reprocess.reprocess(Selection(deriver="embedding"))
    run_queued()
    assert SimilarPair.objects.count() == before
    assert groups_in(searched) == [["bad.webp", "small.jpg", "whole.png"]]


def test_members_of_one_stack_are_no_copies(searched: Library, copies: dict[str, File]) -> None:
    """A RAW and its JPEG, a burst: they are shown as one thing already."""
    stack = Stack.objects.create(library=searched, kind="raw", mark="m", primary=copies["whole.png"], count=2)
    File.objects.filter(name__in=("whole.png", "small.jpg")).update(stack=stack)
    assert groups_in(searched) == [["bad.webp", "small.jpg", "whole.png"]]  # By bad.webp, which is in none.
    File.objects.filter(name="bad.webp").update(stack=stack)
    assert groups_in(searched) == []
    Stack.objects.update(primary=None)
    assert groups_in(searched) == [["bad.webp", "small.jpg", "whole.png"]]


def test_pictures_of_another_library_are_no_copies(
    searched: Library, copies: dict[str, File], alice: Any, tmp_path: Path
) -> None:
    other = create_library(alice, "Other", semantic=True)
    put(other, saved(drawing(1), tmp_path / "whole.png"))
    assert groups_in(other) == []
    assert len(groups_in(searched)[0]) == 3


def test_a_burst_of_alike_scenes_is_not_called_copies(library: Library) -> None:
    """To the model all mean the same; line by line they do not look the same."""
    same = unit(np.ones(512, dtype=np.float32))
    bits = np.random.default_rng(3)
    for _ in range(6):
        write(library, same, int(bits.integers(-(2**63), 2**63)))
    assert groups_in(library, Limits(0.1, similar.BITS)) == []


def test_more_copies_than_are_looked_at(library: Library) -> None:
    """In the trash, or decided about: two new copies find each other all the same."""
    same = unit(np.ones(512, dtype=np.float32))
    old = [write(library, same, 7, at=at) for at in range(pairing.NEIGHBOURS + 5)]
    trash.trash(library, [file.pk for file in old])
    new = [write(library, same, 7, at=100 + at) for at in range(2)]
    assert groups_in(library) == [["00100.jpg", "00101.jpg"]]
    trash.restore(library, [file.pk for file in old])
    (all_of_them,) = groups_in(library)
    assert len(all_of_them) == len(old) + 2
    similar.keep_all(library, [file.original_id for file in (*old, new[0])], None)
    row = PictureEmbedding.objects.get(original=new[0].original_id)
    SimilarPair.objects.all().delete()
    assert pairing.pair(row) == 1
    assert groups_in(library) == [["00100.jpg", "00101.jpg"]]


def write(library: Library, vector: np.ndarray, fingerprint: int, *, at: int = 0) -> File:
    """A picture as if a run had seen it: no bytes."""
    key = uuid4()
    original = Original.objects.create(
        library=library,
        sha256=f"{key.int:064x}"[:64],
        size=10,
        mime="image/jpeg",
        kind="image",
        key=f"none/{key}",
        width=10,
        height=10,
    )
    file: File = File.objects.create(library=library, original=original, name=f"{at:05}.jpg")
    Derivative.objects.create(
        original=original, deriver="embedding", queue="object-detection", queued_at=timezone.now()
    )
    recording.record(original, "m", [Seen(vector, None, fingerprint)])
    return file


def families(library: Library, count: int, size: int) -> list[list[File]]:
    """So many groups of so many copies."""
    source = np.random.default_rng(5)
    found = []
    for _ in range(count):
        middle = source.normal(0, 1, 512).astype(np.float32)
        bits = int(source.integers(-(2**62), 2**62))
        found.append(
            [
                write(library, unit(middle + source.normal(0, 0.02, 512).astype(np.float32)), bits ^ one)
                for one in range(size)
            ]
        )
    return found


def test_every_group_comes_once_whatever_the_page(library: Library) -> None:
    made = {frozenset(file.original_id for file in family) for family in families(library, 11, 4)}
    seen: list[Group] = []
    after: UUID | None = None
    pages = 0
    while True:
        page, after = similar.page(library, Limits(), after, 3)
        seen += page
        pages += 1
        assert len(page) <= 3
        if after is None:
            break
    assert len(seen) == 11
    assert {frozenset(group.originals) for group in seen} == made
    assert pages >= 4
    assert [group.id for group in seen] == sorted((group.id for group in seen), reverse=True)


def test_a_page_costs_few_questions(library: Library, django_assert_num_queries: Any) -> None:
    families(library, 6, 4)
    with django_assert_num_queries(5):
        similar.page(library, Limits(), None, 3)
    with django_assert_num_queries(5):
        similar.page(library, Limits(), None, 6)


def test_what_lies_in_the_trash_between_costs_looks_and_not_pages(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(similar, "LOOK", 2)
    monkeypatch.setattr(similar, "LOOKS_MOST", 3)
    made = families(library, 12, 2)
    gone = [file.pk for family in made[1:] for file in family]
    trash.trash(library, gone)
    after: UUID | None = None
    pages, found = 0, list[Group]()
    while pages == 0 or after is not None:
        groups, after = similar.page(library, Limits(), after, 5)
        found += groups
        pages += 1
    assert [set(group.originals) for group in found] == [{file.original_id for file in made[0]}]
    assert pages == 3


def test_a_chain_is_one_group_with_several_ends(library: Library) -> None:
    """Three of them have no newer copy; the group is told once, by its newest."""
    middle = np.zeros(512, dtype=np.float32)
    middle[0] = 1
    arms = []
    for arm in range(3):
        vector = middle.copy()
        vector[arm + 1] = 0.2
        arms.append(unit(vector))
    write(library, middle, 0, at=0)
    for at, vector in enumerate(arms, start=1):
        write(library, vector, 0, at=at)
    assert all(1 - float(one @ other) > 0.03 for one, other in pairwise(arms))
    assert groups_in(library) == [["00000.jpg", "00001.jpg", "00002.jpg", "00003.jpg"]]


def test_thousands_of_copies_are_cut_and_told_as_such(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(similar, "LINKS_MOST", 50)
    families(library, 1, 40)
    groups, _ = similar.page(library, Limits(), None, 10)
    assert groups
    assert all(group.cut for group in groups)


def test_the_preview_counts_what_each_threshold_finds(library: Library) -> None:
    families(library, 3, 3)
    steps = similar.preview(library)
    assert [step for step, _ in steps] == list(similar.STEPS)
    counts = [count for _, count in steps]
    assert counts == sorted(counts)
    assert counts[-1] == 9
    assert similar.preview(library, 0)[-1][1] == 0


def test_two_copies_at_once_see_each_other(library: Library, transactional_db: None) -> None:
    """The second waits for the first, whose transaction is open, and then finds it."""
    same = unit(np.ones(512, dtype=np.float32))
    waiting, go = threading.Event(), threading.Event()

    def first() -> None:
        try:
            with transaction.atomic():
                write(library, same, 7, at=1)
                waiting.set()
                assert go.wait(20)
        finally:
            connection.close()

    def second() -> None:
        try:
            with transaction.atomic():
                write(library, same, 7, at=2)
        finally:
            connection.close()

    threads = [threading.Thread(target=first), threading.Thread(target=second)]
    threads[0].start()
    assert waiting.wait(20)
    threads[1].start()
    wait_until(waits_for_a_lock, 20, "the second waits for the lock")
    go.set()
    for thread in threads:
        thread.join(30)
    assert groups_in(library) == [["00001.jpg", "00002.jpg"]]


def test_with_its_embedding_a_pair_goes(searched: Library, copies: dict[str, File]) -> None:
    """As when the switch goes off: rows of the ledger are deleted, and with them all that hangs on them."""
    assert recording.holdings(searched.pk) == {"embeddings": 6}
    Derivative.objects.filter(deriver="embedding").drop()
    assert not PictureEmbedding.objects.exists()
    assert not SimilarPair.objects.exists()


def copy_of(**changes: Any) -> Copy:
    about = {
        "file_id": uuid4(),
        "mime": "image/jpeg",
        "pixels": 1000,
        "size": 100,
        "facts": 1,
        "added_at": datetime(2026, 1, 1, tzinfo=UTC),
    }
    return Copy(**{**about, **changes})


@pytest.mark.parametrize(
    ("better", "because"),
    [
        ({"pixels": 1100}, "resolution"),
        ({"pixels": 1010, "facts": 2}, "metadata"),
        ({"facts": 2, "size": 1}, "metadata"),
        ({"mime": "image/png", "size": 1}, "format"),
        ({"mime": "image/x-adobe-dng", "size": 1}, "format"),
        ({"size": 101}, "size"),
        ({"added_at": datetime(2025, 1, 1, tzinfo=UTC)}, "age"),
    ],
)
def test_the_best_copy_is_suggested(better: dict[str, Any], because: str) -> None:
    best = copy_of(**better)
    worse = [copy_of(added_at=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=day)) for day in range(3)]
    assert keeping.suggest([*worse, best]) == (best.file_id, because)
    assert keeping.suggest([best, *worse]) == (best.file_id, because)
