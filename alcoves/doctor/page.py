"""The doctor as a page of the console. Opening it only reads; what writes to stores and folders, or starts programs, is
asked when somebody says so, and shown as it was told then.
"""

from itertools import groupby

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from alcoves.doctor import examining, keeping, printing, table
from alcoves.doctor.examining import Answer
from media import audit

MAY_ASK = "console.run_tasks"


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def show(request: HttpRequest) -> HttpResponse:
    """POST asks everything, and answers straight away: it is there where nothing can be kept."""
    if request.method == "POST":
        answers = ask_everything(request)
    else:
        light = {one.check.name: one for one in examining.examine(table.light())}
        kept = {one.check.name: one for one in keeping.recall(table.heavy())}
        answers = [{**light, **kept}[check.name] for check in table.CHECKS]
    groups = [
        {"title": title, "lines": list(printing.lines(members))}
        for title, members in groupby(answers, key=lambda answer: answer.check.group)
    ]
    about = {
        **admin.site.each_context(request),
        "title": "Doctor",
        "groups": groups,
        "summary": printing.summary(answers),
        "level": examining.worst(answers),
        "whole": request.method == "POST",
        "may_ask": request.user.has_perm(MAY_ASK),
    }
    return TemplateResponse(request, "console/doctor.html", about)


def ask_everything(request: HttpRequest) -> list[Answer]:
    if not request.user.has_perm(MAY_ASK):
        raise PermissionDenied
    audit.note(
        "doctor.ask", by=audit.of(request), text="Asked the doctor for everything: stores were probed."
    )
    answers = examining.examine(table.CHECKS)
    keeping.remember(one for one in answers if one.check.heavy)
    return answers
