"""The doctor as a page of the console, asked when somebody opens it."""

from itertools import groupby

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from alcoves.doctor import examining, printing, table


@never_cache
@require_safe
def show(request: HttpRequest) -> HttpResponse:
    answers = examining.examine(table.CHECKS)
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
    }
    return TemplateResponse(request, "console/doctor.html", about)
