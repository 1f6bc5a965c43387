"""The figures of the dashboard for programs: each has an address of its own, for staff who may see the dashboard."""

from typing import Any

from django.http import Http404
from django.urls import URLPattern, path, reverse
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from alcoves.console.dashboard import figures
from alcoves.console.dashboard.figures import Answer, Asked, Figure
from media.api.staff import StaffView


class Stats(StaffView):
    """Who sees the dashboard has the figures that it shows to them, too."""

    see = figures.SEE


class AskedForm(serializers.Serializer[Any]):
    """What may stand behind the question mark."""

    days = serializers.IntegerField(min_value=1, max_value=figures.MOST_DAYS, default=figures.DAYS)


class FigureShape(serializers.Serializer[Any]):
    """Which figures there are."""

    name = serializers.CharField()
    title = serializers.CharField()
    url = serializers.CharField()
    everySeconds = serializers.IntegerField()  # noqa: N815  The names of the JSON.


class FiguresShape(serializers.Serializer[Any]):
    """All of them."""

    figures = FigureShape(many=True)


class AnswerShape(serializers.Serializer[Any]):
    """One figure; the shape of `data` is its own."""

    name = serializers.CharField()
    title = serializers.CharField()
    asOf = serializers.DateTimeField()  # noqa: N815
    milliseconds = serializers.FloatField()
    data = serializers.JSONField()  # type: ignore[assignment]  # The name of the JSON.


class FailureShape(serializers.Serializer[Any]):
    """Why there is none now."""

    code = serializers.CharField()
    message = serializers.CharField()


class AllFigures(Stats):
    """The list."""

    @extend_schema(operation_id="admin_stats", responses={200: FiguresShape})
    def get(self, request: Request) -> Response:
        return Response({"figures": [listed(one) for one in figures.shown_to(request.user)]})


class OneFigure(Stats):
    """One of them, now. 503 with a sentence where it cannot be taken; the others do not mind."""

    @extend_schema(
        operation_id="admin_stats_figure",
        parameters=[AskedForm],
        responses={200: AnswerShape, 503: FailureShape},
    )
    def get(self, request: Request, name: str) -> Response:
        if name not in {one.name for one in figures.shown_to(request.user)}:
            raise Http404
        form = AskedForm(data=request.query_params)
        form.is_valid(raise_exception=True)
        found = figures.answer(name, Asked(days=form.validated_data["days"]))
        if found.ok:
            return Response(told(found), headers={"Cache-Control": "no-store"})
        failure = {"code": "figure_failed", "message": found.message, "name": name}
        return Response(failure, status=503, headers={"Retry-After": "10", "Cache-Control": "no-store"})


def listed(figure: Figure) -> dict[str, Any]:
    address = reverse("admin-stats-figure", kwargs={"name": figure.name})
    return {"name": figure.name, "title": figure.title, "url": address, "everySeconds": figure.every}


def told(found: Answer) -> dict[str, Any]:
    return {
        "name": found.name,
        "title": figures.BY_NAME[found.name].title,
        "asOf": found.as_of.isoformat(),
        "milliseconds": found.milliseconds,
        "data": found.data,
    }


urlpatterns: list[URLPattern] = [
    path("stats", AllFigures.as_view(), name="admin-stats"),
    path("stats/<str:name>", OneFigure.as_view(), name="admin-stats-figure"),
]
