"""Every shared media file goes through a real worker and ends as the table says; the worker lives on."""

from pathlib import Path
from typing import Any

import pytest

from alcoves.accounts.models import User
from alcoves.settings import base
from media.libraries import create_library
from media.models import Derivative, Original
from tests.flows.shared_outcomes import OUTCOMES
from tests.ingesting import take_in
from tests.workers import running_worker, wait_until


def ending(row: Derivative) -> str:
    return f"{row.status}:{row.error_code}" if row.status == "failed" else row.status


@pytest.mark.shared
@pytest.mark.django_db(transaction=True)
@pytest.mark.timeout(900)
def test_every_shared_file_ends_as_the_table_says(shared_media: Path, tmp_path: Path, settings: Any) -> None:
    settings.DERIVERS = dict(base.DERIVERS)
    library = create_library(User.objects.create_user("owner@example.org", "owner-password"), "Shared")
    names = sorted(str(path.relative_to(shared_media)) for path in shared_media.rglob("*") if path.is_file())
    assert names == sorted(OUTCOMES)
    originals = {
        name: take_in(library, shared_media / name, Path(name).name).file.original_id for name in names
    }
    with running_worker(tmp_path, ALCOVES_TEST_REAL_DERIVERS="1", ALCOVES_LEASE_SECONDS="20") as worker:
        busy = Derivative.objects.filter(status__in=("queued", "processing"))
        wait_until(lambda: not busy.exists(), 600, "the queue to empty")
        assert worker.popen.poll() is None
    ended: dict[str, tuple[str, str, str]] = {}
    for name, key in originals.items():
        original = Original.objects.prefetch_related("derivatives").get(pk=key)
        rows = sorted(original.derivatives.all(), key=lambda row: row.deriver)
        ended[name] = (original.mime, original.kind, " ".join(f"{row.deriver}={ending(row)}" for row in rows))
    wrong = {name: (ended[name], OUTCOMES[name]) for name in names if ended[name] != OUTCOMES[name]}
    assert wrong == {}
    assert Derivative.objects.filter(lost_claims__gt=0).count() == 0
    assert all(row.error_message for row in Derivative.objects.filter(status="failed"))
