"""Making many things anew, stopping or accepting them: which, how many they are, a question, and how far it is.

What was looked at is what is acted on: the question carries the choice and the count that was seen, and where the set
has grown by much it is asked again.
"""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.response import TemplateResponse
from django.urls import reverse

from alcoves.console.fragments import fragment
from alcoves.queues import BY_NAME
from alcoves.wording import are, counted, spoken, were
from media import audit, bulk, selecting
from media.errors import MediaError, RequestError
from media.models import Library
from media.models.bulk import OPEN
from media.models.derivative import Status
from media.selecting import Selection

PERMISSION: Final = "media.change_derivative"
PAGE: Final = "console/reprocess.html"
PROGRESS: Final = "console/reprocess_progress.html"
TEXTS: Final = ("deriver", "status", "queue", "error_code", "failure", "accepted")
ABOUT_THE_PAGE: Final = frozenset({"act", "everything", "seen", "csrfmiddlewaretoken", "preview"})
LIBRARIES_OFFERED: Final = 200
OFFERED: Final = {
    selecting.REPROCESS: "Make anew",
    selecting.CANCEL: "Stop what waits or runs",
    selecting.ACCEPT: "Accept what failed",
    selecting.UNACCEPT: "Count as failures again what was accepted",
}
"""What may be done, as the form has it."""
COMES_OF_IT: Final = {
    selecting.REPROCESS: ("reprocess", "They are queued again. What runs is begun anew."),
    selecting.CANCEL: ("stop", "What waits or runs stops; older results stay."),
    selecting.ACCEPT: (
        "accept",
        "They stay as they are, and are no longer counted as failures until they are queued again.",
    ),
    selecting.UNACCEPT: ("take back", "Warnings and groups count them as failures again."),
}
"""The word of the button, and a sentence."""


def show(request: HttpRequest) -> HttpResponse:
    """The form; with a choice, how many are meant; and the act once it was confirmed."""
    given = {name: str(value).strip() for name, value in (request.POST or request.GET).items()}
    about: dict[str, Any] = {"given": given, "chosen": None}
    try:
        selection = read(given)
        if request.method == "POST":
            return confirmed(request, given, selection)
        about["chosen"] = preview(given, selection)
    except NothingChosenError as error:
        if given.keys() - {"act"}:
            messages.error(request, error.message)
    except GrownError as error:
        messages.warning(request, error.message)
        about["chosen"] = preview(given, read(given))
    except MediaError as error:
        messages.error(request, error.message)
    return TemplateResponse(request, PAGE, {**admin.site.each_context(request), **form(request), **about})


class NothingChosenError(RequestError):
    """No choice, and not everything either."""


class GrownError(RequestError):
    """There are many more than were looked at."""


def form(request: HttpRequest) -> dict[str, Any]:
    return {
        "title": "Reprocess",
        "acts": OFFERED,
        "derivers": sorted(settings.DERIVERS),
        "statuses": Status.values,
        "queues": sorted(BY_NAME),
        "libraries": Library.objects.order_by("name", "id")[:LIBRARIES_OFFERED],
        "may_act": request.user.has_perm(PERMISSION),
    }


def read(given: Mapping[str, str]) -> Selection:
    """RequestError for a name that is not ours: what is misspelt must not mean everything."""
    fields = {name: value for name, value in given.items() if name not in ABOUT_THE_PAGE and value}
    unknown = sorted(fields.keys() - {*TEXTS, "older_than", "library", "file", "silent"})
    if unknown:
        raise RequestError(f"There is no choice named {', '.join(unknown)}.")
    if given.get("act", selecting.REPROCESS) not in selecting.ACTS:
        raise RequestError(f"This page can {', '.join(selecting.ACTS)}; nothing else was done.")
    if fields.get("silent", "yes") != "yes" or {"silent", "failure"} <= fields.keys():
        raise RequestError("Choose either what was said, or those that said nothing.")
    texts = {name: fields[name] for name in TEXTS if name in fields}
    selection = Selection(
        **(texts | ({"failure": ""} if "silent" in fields else {})),
        older_than=version(fields.get("older_than", "")),
        library=key_of(fields.get("library", ""), "library"),
        file=key_of(fields.get("file", ""), "file"),
    )
    everything = given.get("everything") == "yes"
    if selection == Selection() and not everything:
        raise NothingChosenError("Choose something, or say that everything is meant.")
    if selection != Selection() and everything:
        raise RequestError("Everything is meant, and a choice was made. Take one of them away.")
    selecting.check(selection)
    return selection


def version(text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 7):
        raise RequestError("A version is a whole number.")
    return int(text)


def key_of(text: str, noun: str) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        raise RequestError(f"This is not the id of a {noun}.") from None


def preview(given: Mapping[str, str], selection: Selection) -> dict[str, Any]:
    act = given.get("act", selecting.REPROCESS)
    count = selecting.count(act, selection)
    verb, sentence = COMES_OF_IT[act]
    return {
        "act": act,
        "verb": verb,
        "sentence": sentence,
        "count": count,
        "told": selecting.told(count),
        "in_batches": count > selecting.BATCH,
        "which": str(selection),
        "fields": {
            **as_fields(selection),
            "act": act,
            **({"everything": "yes"} if selection == Selection() else {}),
        },
    }


def as_fields(selection: Selection) -> dict[str, Any]:
    """Of the form, where nothing written means nothing chosen."""
    fields = selection.as_json()
    if fields.get("failure") == "":
        fields |= {"silent": "yes"}
        del fields["failure"]
    return fields


def confirmed(request: HttpRequest, given: Mapping[str, str], selection: Selection) -> HttpResponse:
    if not request.user.has_perm(PERMISSION):
        raise PermissionDenied
    act, seen = given.get("act", selecting.REPROCESS), given.get("seen", "")
    if not (seen.isascii() and seen.isdigit() and len(seen) < 10):
        raise RequestError("Look first at how many are meant.")
    now = selecting.count(act, selection)
    if selecting.has_grown(int(seen), now):
        raise GrownError(
            f"They were {selecting.told(int(seen))} when you looked and are {selecting.told(now)} now. "
            "Nothing was done: look again."
        )
    acted = bulk.act_on(act, selection, audit.of(request), counted=now)
    if acted.task:
        return HttpResponseRedirect(reverse("admin:reprocess-task", args=(acted.task,)))
    messages.success(request, f"{counted(acted.count, 'job')} {are(acted.count)} {selecting.ACTS[act]}.")
    return HttpResponseRedirect(reverse("admin:reprocess"))


def show_task(request: HttpRequest, task: UUID) -> HttpResponse:
    about = {**admin.site.each_context(request), "title": "Reprocess", **progress_of(request, task)}
    if request.method == "POST":
        return stopped(request, task, about)
    return TemplateResponse(request, "console/reprocess_task.html", about)


def stopped(request: HttpRequest, task: UUID, about: dict[str, Any]) -> HttpResponse:
    """After a question."""
    if not request.user.has_perm(PERMISSION):
        raise PermissionDenied
    if request.POST.get("sure") != "yes":
        return TemplateResponse(request, "admin/ask.html", {**about, **question(request, about)})
    try:
        bulk.stop(task, audit.of(request))
    except MediaError as error:
        messages.error(request, error.message)
    else:
        messages.success(request, "Stopped. What was done before stays done.")
    return HttpResponseRedirect(request.path)


def question(request: HttpRequest, about: Mapping[str, Any]) -> dict[str, Any]:
    done = about["progress"].done
    sentence = f"{counted(done, 'job')} {were(done)} done by now, and that stays so. The others are left as they are."
    return {"title": "Stop it?", "sentence": sentence, "button": "Stop it", "back": request.path}


def show_task_live(request: HttpRequest, task: UUID) -> JsonResponse:
    return fragment(request, PROGRESS, progress_of(request, task))


def progress_of(request: HttpRequest, task: UUID) -> dict[str, Any]:
    progress = bulk.progress(task)
    if progress is None:
        raise Http404("There is no such task.")
    left = spoken(progress.seconds_left) if progress.seconds_left is not None else ""
    return {
        "progress": progress,
        "done": f"{progress.done:,}",
        "total": f"{progress.total or 0:,}",
        "left": left,
        "task": task,
        "may_stop": progress.state in OPEN and request.user.has_perm(PERMISSION),
    }
