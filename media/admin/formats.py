"""Which formats of pictures work on this machine: a page of its own, linked from the console's first one."""

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from media.images import formats


def show(request: HttpRequest) -> HttpResponse:
    """For staff; what does not work comes first, with the reason."""
    rows = sorted(formats.survey(), key=lambda row: (row.works, row.label.lower()))
    about = {**admin.site.each_context(request), "title": "Formats", "formats": rows}
    return TemplateResponse(request, "admin/formats.html", about)
