"""Actions on many rows that ask first: a page that says how many, and carries their keys.

Of more rows than one request may touch no keys are loaded: jobs are handed to the page for many, others are refused.
"""

from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from alcoves.wording import are, counted, were
from media import audit, holding, selecting
from media.admin import many
from media.errors import RequestError
from media.selecting import BATCH

MARKS: Final = {
    "status": "status",
    "status__exact": "status",
    "deriver": "deriver",
    "queue": "queue",
    "error_code": "error_code",
    "failure": "failure",
    "failure__exact": "failure",
    "silent": "silent",
    "accepted": "accepted",
}
"""Filters of the list of jobs, by the names of the page for many."""
QUESTIONS: Final = {
    selecting.CANCEL: ("Stop {}?", "What waits or runs stops. Older results stay and are shown."),
    selecting.ACCEPT: (
        "Accept that {} failed?",
        "They stay as they are, and are no longer counted as failures until they are queued again.",
    ),
    selecting.UNACCEPT: (
        "Count {} as failures again?",
        "Warnings and groups of failures count them again.",
    ),
}
"""What is asked, and what comes of it. To make things anew needs no question."""
OTHERS: Final = {
    selecting.ACCEPT: "not failed, accepted before",
    selecting.UNACCEPT: "not accepted",
}
SILENT: Final = frozenset({"o", "p", "all", "_changelist_filters"})


def few_keys(rows: QuerySet[Any]) -> list[UUID] | None:
    """None where they are too many for one request."""
    keys = list(rows.order_by().values_list("pk", flat=True)[: BATCH + 1])
    return keys if len(keys) <= BATCH else None


def bounded_keys(rows: QuerySet[Any]) -> list[UUID]:
    """RequestError, which the list tells, where they are too many for one request."""
    keys = few_keys(rows)
    if keys is None:
        raise RequestError(f"At most {BATCH:,} at once. Choose fewer.")
    return keys


def act_on_jobs(page: Any, request: HttpRequest, rows: QuerySet[Any], act: str) -> HttpResponse | None:
    """Asks, then acts. Many go to the page for many, with the filters of the list."""
    keys = few_keys(rows)
    if keys is None:
        return to_page_for_many(request, act)
    if act in QUESTIONS and not many.is_sure(request):
        title, about = QUESTIONS[act]
        return ask(page, request, rows, keys, title.format(counted(len(keys), "job")), about)
    count = selecting.act_on_keys(act, keys, audit.of(request))
    left = len(keys) - count
    why = OTHERS.get(act, "not waiting or running")
    others = f" {left} left alone: {why}, or part of others." if left else ""
    messages.success(request, f"{counted(count, 'job')} {are(count)} {selecting.ACTS[act]}.{others}")
    return None


def to_page_for_many(request: HttpRequest, act: str) -> HttpResponse | None:
    """The same filters there; what it cannot say is refused, so that never more is meant than was seen."""
    given = {
        name: value for name, value in request.GET.items() if name not in SILENT and (value or name != "q")
    }
    for name in {"failure", "failure__exact"} & given.keys():
        if not given[name]:
            given |= {"silent": "yes"}
            del given[name]
    if set(given) - set(MARKS) or not all(given.values()):
        messages.error(
            request,
            f"These are more than {BATCH:,}, and the page for many does not know this filter or search. "
            "Choose fewer, or choose them on the page Reprocess.",
        )
        return None
    marks = {MARKS[name]: value for name, value in given.items()} or {"everything": "yes"}
    return HttpResponseRedirect(f"{reverse('admin:reprocess')}?{urlencode({**marks, 'act': act})}")


def hold_originals(page: Any, request: HttpRequest, rows: QuerySet[Any], field: str) -> HttpResponse | None:
    """Asks why, then sets aside. `field` names the original in the rows."""
    keys = few_keys(rows)
    if keys is None:
        messages.error(request, f"At most {BATCH:,} at once. Choose fewer.")
        return None
    if not many.is_sure(request):
        about = "No work is done on them, and no member sees more than their names, until they are released."
        return ask(page, request, rows, keys, f"Set {len(keys)} aside?", about, reason=True)
    told(
        request,
        lambda by: holding.hold(originals(rows, field), by, request.POST.get("reason", "")),
        "set aside",
    )
    return None


def release_originals(request: HttpRequest, rows: QuerySet[Any], field: str) -> None:
    if few_keys(rows) is None:
        messages.error(request, f"At most {BATCH:,} at once. Choose fewer.")
        return
    told(request, lambda by: holding.release(originals(rows, field), by), "released")


def originals(rows: QuerySet[Any], field: str) -> list[UUID]:
    return list(rows.order_by().values_list(field, flat=True).distinct()[: holding.MOST])


def told(request: HttpRequest, act: Callable[[audit.Actor], int], done: str) -> None:
    try:
        count = act(audit.of(request))
        messages.success(
            request,
            f"{counted(count, 'original')} {were(count)} {done}, with all files of {'it' if count == 1 else 'them'}.",
        )
    except RequestError as error:
        messages.error(request, error.message)


def ask(
    page: Any,
    request: HttpRequest,
    rows: QuerySet[Any],
    keys: list[UUID],
    title: str,
    about: str,
    *,
    reason: bool = False,
) -> HttpResponse:
    """The question, about these rows and no others that come meanwhile."""
    kept = {"action": request.POST.get("action", "")}
    told: dict[str, Any] = {"title": title, "sentence": about, "button": "Yes", "reason": reason}
    return many.ask(page, request, rows, keys=keys, kept=kept, **told)
