"""A blob is let go of only while nothing names it, whatever a look has found some days ago."""

from datetime import timedelta

import pytest
from django.utils import timezone

from alcoves.backup import mending
from alcoves.backup.models import Finding, Look
from media import blobs
from media.models import Derivative, Library, UnnamedBlob
from storage.registry import get_store
from tests.ingesting import take_in

pytestmark = pytest.mark.django_db


def orphan_of(key: str) -> Finding:
    return Finding.objects.create(
        kind="orphaned", what="blob", store="files", key=key, seen_at=timezone.now() - timedelta(days=30)
    )


def test_a_blob_that_has_a_name_by_now_is_no_orphan(library: Library) -> None:
    key = take_in(library, b"words", "a.bin").file.original.key
    finding = orphan_of(key)
    assert mending.mend(finding)
    finding.refresh_from_db()
    assert (finding.state, finding.text) == ("repaired", mending.NAMED_AGAIN)
    Finding.objects.update(state="open")
    assert mending.enter_orphans() == 0
    assert not UnnamedBlob.objects.filter(key=key).exists()


def test_what_is_named_again_while_it_waits_is_not_swept(library: Library) -> None:
    original = take_in(library, b"words", "a.bin").file.original
    made = f"{library.pk}/{original.pk}/poster/run/a.webp"
    get_store("files").put(made, [b"made"])
    outputs = [{"name": "a.webp", "key": made, "size": 4, "content_type": "image/webp", "sha256": "0" * 64}]
    Derivative.objects.create(
        original=original, deriver="echo", queue="metadata", outputs=outputs, queued_at=timezone.now()
    )
    keys = [original.key, made]
    UnnamedBlob.objects.enter(keys, due=timedelta(seconds=-1))
    assert blobs.sweep() == 0
    assert [get_store("files").stat(key).size for key in keys] == [5, 4]
    assert not UnnamedBlob.objects.filter(key__in=keys).exists()


def test_too_many_orphans_are_not_repaired_by_hand_either(db: None) -> None:
    now = timezone.now()
    said = f"90 of 100 {mending.ALARM}"
    Look.objects.create(nightly=True, state="done", whole=True, error=said, alarm=said, finished_at=now)
    finding = orphan_of("a/0")
    assert not mending.mend(finding)
    finding.refresh_from_db()
    assert (finding.state, finding.text) == ("open", said)
    assert not UnnamedBlob.objects.filter(key="a/0").exists()
    Look.objects.create(nightly=True, state="done", whole=True, finished_at=now + timedelta(days=1))
    assert mending.mend(finding)
    assert UnnamedBlob.objects.filter(key="a/0").exists()
