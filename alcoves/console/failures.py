"""Failures by what was said: so many files, one trouble; the rows of a group, all of it made anew, or accepted."""

from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse

from alcoves.alerts.rules.kept import limited
from alcoves.console.dashboard import figures
from media import grouping, selecting
from media.grouping import Found, Group


def show(request: HttpRequest) -> HttpResponse:
    """The largest groups, of all derivers or of one, and a sentence where it takes too long."""
    deriver, trouble, accepted = request.GET.get("deriver", "")[:64], "", 0
    found = Found([], partly=False)
    try:
        with limited(figures.LIMIT_SECONDS):
            found = grouping.find_groups(grouping.SHOWN + 1, deriver)
            accepted = grouping.count_accepted(deriver)
    except DatabaseError as error:
        trouble = figures.sentence("groups of failures", error)
    groups = found.groups
    about = {
        **admin.site.each_context(request),
        "title": "Failures",
        "groups": [described(group) for group in groups[: grouping.SHOWN]],
        "trouble": trouble,
        "deriver": deriver,
        "kinds": grouping.KINDS if found.partly else 0,
        "accepted": accepted,
        "accepted_rows": rows_at({"accepted": "yes", **({"deriver": deriver} if deriver else {})}),
        "jobs": sum(min(group.jobs, grouping.COUNTED) for group in groups[: grouping.SHOWN]),
        "counted": grouping.COUNTED,
        "uncounted": any(group.more for group in groups),
        "more": len(groups) > grouping.SHOWN,
        "shown": grouping.SHOWN,
        "may_act": request.user.has_perm("media.change_derivative"),
    }
    return TemplateResponse(request, "console/failures.html", about)


def described(group: Group) -> dict[str, Any]:
    marks = {"deriver": group.deriver, "error_code": group.error_code, "failure": group.failure}
    many = {**{name: value for name, value in marks.items() if value}, "status": "failed", "accepted": "no"}
    if not group.failure:
        many["silent"] = "yes"
    page = reverse("admin:reprocess")
    return {
        "group": group,
        "rows": rows_at({**marks, "status__exact": "failed", "accepted": "no"}),
        "again": f"{page}?{urlencode(many)}",
        "accept": f"{page}?{urlencode({**many, 'act': selecting.ACCEPT})}",
        "example": reverse("admin:media_derivative_change", args=(group.example,)),
    }


def rows_at(filters: dict[str, str]) -> str:
    return f"{reverse('admin:media_derivative_changelist')}?{urlencode(filters)}"
