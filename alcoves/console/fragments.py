"""Parts of pages that a page asks for again and again (static/js/console-live.js): JSON with a piece of HTML."""

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, JsonResponse
from django.template.loader import render_to_string


def fragment(request: HttpRequest, template: str, about: Mapping[str, Any]) -> JsonResponse:
    answer = JsonResponse({"html": render_to_string(template, about, request)})
    answer["Cache-Control"] = "no-store"
    return answer
