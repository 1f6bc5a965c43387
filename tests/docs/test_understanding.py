"""docs/understanding.md tells every job of a model as it is, and names addresses that there are."""

import re

from django.urls import URLPattern

from media.api.describing import SWITCH_NAMES, done_column, modelled_jobs
from media.api.urls import urlpatterns as media_patterns
from media.derivers.registry import get_deriver
from ml.api.urls import urlpatterns as ml_patterns
from tests.docs.reading import DOCS

TEXT = (DOCS / "understanding.md").read_text(encoding="utf-8")
JOBS = TEXT.partition("## Jobs")[2].partition("\n## ")[0]


def test_the_table_of_jobs_is_that_of_the_derivers() -> None:
    told = {
        row[0]: row
        for row in re.findall(r"^\| `([a-z]+)` \| `([a-z_]+)` \| (.*) \| `([a-z-]+)` \|$", JOBS, re.MULTILINE)
    }
    assert set(told) == set(modelled_jobs())
    for job, (_, column, planned, queue) in told.items():
        deriver = get_deriver(job)
        assert (column, queue) == (done_column(job), deriver.queue)
        assert f"`{SWITCH_NAMES[deriver.switch]}`" in planned
        assert deriver.needs_probe
        assert deriver.planned


def test_addresses_that_are_told_are_there() -> None:
    routes = [
        "/api/" + re.sub(r"<\w+:\w+>", "{}", str(one.pattern))
        for one in (*media_patterns, *ml_patterns)
        if isinstance(one, URLPattern)
    ]
    for address in re.findall(r"`(?:[A-Z]+(?:`, `[A-Z]+)* )?(/api/[^`? ]+)", TEXT):
        assert re.sub(r"\{\w+\}|<\w+>", "{}", address) in routes, address
