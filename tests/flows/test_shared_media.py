"""Every shared media file comes in as an operator would bring it, goes through a real worker and ends as told."""

import io
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from alcoves.accounts.models import User
from alcoves.settings import base
from media.libraries import create_library
from media.models import Derivative, File, Library
from media.uploads.importing import State, Target, take_in, walk
from tests.flows.shared_outcomes import OUTCOMES
from tests.workers import running_worker, wait_until


def ending(row: Derivative) -> str:
    return f"{row.status}:{row.error_code}" if row.status == "failed" else row.status


def path_of(file: File) -> str:
    """As on the disk it came from: the folders are made on the way in."""
    names, folder = [file.name], file.folder
    while folder is not None:
        names.insert(0, folder.name)
        folder = folder.parent
    return "/".join(names)


def outcomes_of(library: Library) -> dict[str, tuple[str, str, str]]:
    ended = {}
    for file in File.objects.filter(library=library).select_related("original", "folder"):
        original = file.original
        rows = sorted(original.derivatives.all(), key=lambda row: row.deriver)
        made = " ".join(f"{row.deriver}={ending(row)}" for row in rows)
        ended[path_of(file)] = (original.mime, original.kind, made)
    assert len(ended) == File.objects.count()
    return ended


def ingest(folder: Path, refused: int) -> None:
    """`manage.py ingest`, which ends with an error where files were refused."""
    sentence = f"{refused} of {len(OUTCOMES)} files were refused"
    with pytest.raises(CommandError, match=sentence):
        call_command("ingest", folder, library="Shared", stdout=io.StringIO())


def refusals_of(folder: Path, library: Library) -> dict[str, tuple[str, str, str]]:
    """Bringing everything again refuses the same files, and passes over all others: nothing is taken in twice."""
    owner = library.memberships.get().user_id
    outcomes = [take_in(found, Target(library, None, owner)) for found in walk(folder)]
    assert {outcome.state for outcome in outcomes} == {State.SKIPPED, State.REFUSED}
    return {
        str(outcome.path.relative_to(folder)): (outcome.mime, "refused", outcome.code)
        for outcome in outcomes
        if outcome.state is State.REFUSED
    }


@pytest.mark.shared
@pytest.mark.django_db(transaction=True)
@pytest.mark.timeout(900)
def test_every_shared_file_ends_as_the_table_says(shared_media: Path, tmp_path: Path, settings: Any) -> None:
    settings.DERIVERS = dict(base.DERIVERS)
    library = create_library(User.objects.create_user("owner@example.org", "owner-password"), "Shared")
    names = sorted(str(path.relative_to(shared_media)) for path in shared_media.rglob("*") if path.is_file())
    assert names == sorted(OUTCOMES)
    refused = {name: outcome for name, outcome in OUTCOMES.items() if outcome[1] == "refused"}
    ingest(shared_media, len(refused))
    with running_worker(tmp_path, ALCOVES_TEST_REAL_DERIVERS="1", ALCOVES_LEASE_SECONDS="20") as worker:
        busy = Derivative.objects.filter(status__in=("queued", "processing"))
        wait_until(lambda: not busy.exists(), 600, "the queue to empty")
        assert worker.popen.poll() is None
    ended = outcomes_of(library) | refusals_of(shared_media, library)
    wrong = {
        name: (ended.get(name), OUTCOMES.get(name))
        for name in {*ended, *OUTCOMES}
        if ended.get(name) != OUTCOMES.get(name)
    }
    assert wrong == {}
    assert Derivative.objects.filter(lost_claims__gt=0).count() == 0
    assert all(row.error_message for row in Derivative.objects.filter(status="failed"))
