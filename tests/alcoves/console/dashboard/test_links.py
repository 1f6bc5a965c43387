"""What the links of warnings lead to."""

import pytest
from django.test import Client
from django.utils import timezone

from alcoves.alerts.rules import Trouble
from alcoves.console.dashboard import warnings
from media.models import Library, Original
from tests.alcoves.console.dashboard import made_up

pytestmark = pytest.mark.django_db


def told(name: str) -> Trouble:
    (one,) = warnings.RULES[name]()
    return one


@pytest.mark.parametrize("model", ["original", "file"])
def test_what_is_set_aside_is_found_by_the_link(library: Library, as_auditor: Client, model: str) -> None:
    held, other = made_up.files(library, 2)
    Original.objects.filter(pk=held.original_id).update(held_at=timezone.now(), held_reason="odd")
    link = told("files set aside").link
    assert link == "/admin/media/original/?held=yes"
    shown = as_auditor.get(link.replace("original", model)).content.decode()
    wanted, hidden = (held.pk, other.pk) if model == "file" else (held.original_id, other.original_id)
    assert str(wanted) in shown
    assert str(hidden) not in shown


def test_few_jobs_that_failed_are_told_too(library: Library, as_auditor: Client) -> None:
    of = made_up.originals(library, 3)
    made_up.derivatives(of, "hover", status="failed")
    made_up.derivatives(of[:1], "poster", status="failed")
    one = told("failed jobs")
    assert one.sentence.startswith("4 jobs have failed, the largest group is hover (3).")
    assert "hover" in as_auditor.get(one.link).content.decode()
