"""The registry of models, for staff: what there is, what is here, what is used, which licences are accepted."""

from typing import Any

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework.permissions import SAFE_METHODS, BasePermission, IsAdminUser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from media import audit
from media.api.access import user_of
from media.api.libraries import checked
from media.models.audit import Via
from ml import selection
from ml.api.model_shapes import ChoiceInput, LicenceShape, OrderShape, PipelineShape
from ml.downloads import deciding
from ml.models import Acceptance, Download
from ml.models.choosing import DownloadState
from ml.registry import licences, places, table
from ml.registry.specs import PIPELINES, ModelSpec, Pipeline
from ml.search import changing
from ml.search.changing import Change


class ChoosesModels(BasePermission):
    """Who sees the page Models may look; who changes something needs the console's permission for it."""

    message = "Your role does not let you look at models or choose them. Ask for the role of an operator."

    def has_permission(self, request: Request, view: APIView) -> bool:
        looking = request.method in SAFE_METHODS
        return request.user.has_perm("console.see_operations" if looking else "console.choose_models")


class StaffView(APIView):
    """Of the whole installation, so for those who run it."""

    permission_classes = (IsAdminUser, ChoosesModels)


class Models(StaffView):
    """All models."""

    @extend_schema(operation_id="models_list", responses=PipelineShape(many=True))
    def get(self, request: Request) -> Response:
        """By pipeline, with what is here of each and how far downloads are."""
        return Response(Told().pipelines())


class OnePipeline(StaffView):
    """The model of a pipeline."""

    @extend_schema(request=ChoiceInput, responses=PipelineShape)
    def put(self, request: Request, pipeline: str) -> Response:
        """Use this one for all new work. 400 for a model or a language that is not to be had."""
        name = known_pipeline(pipeline)
        actor = audit.of(request, via=Via.API)
        given = checked(ChoiceInput(data=request.data))
        deciding.choose(name, by=user_of(request), actor=actor, **given)
        return Response(Told().pipeline(name))


class DownloadModel(StaffView):
    """A model on its way."""

    @extend_schema(request=None, responses={202: OrderShape})
    def post(self, request: Request, pipeline: str, model: str) -> Response:
        """Fetch it now. 409 where its licence is not accepted, 400 where it lies on no mirror."""
        actor = audit.of(request, via=Via.API)
        return Response({"message": deciding.fetch(find_model(pipeline, model), actor=actor)}, status=202)


class OneModel(StaffView):
    """A model on this machine."""

    @extend_schema(responses={204: None})
    def delete(self, request: Request, pipeline: str, model: str) -> Response:
        """Throw its files away. 409 for the one that is used, or on its way."""
        deciding.remove(find_model(pipeline, model), actor=audit.of(request, via=Via.API))
        return Response(status=204)


class AcceptLicence(StaffView):
    """A licence for the whole installation."""

    @extend_schema(request=None, responses=LicenceShape)
    def post(self, request: Request, licence: str) -> Response:
        """Accept it; twice is as good as once. What waited for it goes on."""
        if licence not in licences.BY_ID:
            raise Http404("There is no such licence.")
        deciding.accept(licence, by=user_of(request), actor=audit.of(request, via=Via.API))
        return Response(told_licence(licence, {licence}))


def known_pipeline(pipeline: str) -> Pipeline:
    found = table.find_pipeline(pipeline)
    if found is None:
        raise Http404(f"There is no such pipeline. Ask for one of: {', '.join(PIPELINES)}.")
    return found


def find_model(pipeline: str, model: str) -> ModelSpec:
    spec = table.find_model(known_pipeline(pipeline), model)
    if spec is None:
        raise Http404("There is no such model in this pipeline.")
    return spec


class Told:
    """What the database says of all models, in four queries."""

    def __init__(self) -> None:
        self.chosen = selection.all_chosen()
        self.accepted = set(Acceptance.objects.values_list("licence", flat=True))
        self.downloads = {row.name: row for row in Download.objects.all()}
        self.changing = changing.change(self.chosen["search"][0])

    def pipelines(self) -> list[dict[str, Any]]:
        return [self.pipeline(name) for name in PIPELINES]

    def pipeline(self, name: Pipeline) -> dict[str, Any]:
        chosen, language = self.chosen[name]
        return {
            "pipeline": name,
            "model": chosen.id,
            "language": language if name == "speech" else None,
            "changing": told_change(self.changing) if name == "search" and self.changing else None,
            "models": [self.model(spec, chosen=spec == chosen) for spec in table.models_of(name)],
        }

    def model(self, spec: ModelSpec, *, chosen: bool) -> dict[str, Any]:
        return {
            "id": spec.id,
            "title": spec.title,
            "accuracy": spec.accuracy,
            "speed": spec.speed,
            "note": spec.note,
            "diskBytes": spec.disk_bytes,
            "memoryBytes": spec.memory_bytes,
            "licence": told_licence(spec.licence, self.accepted),
            "available": spec.available,
            "usable": selection.usable(spec),
            "default": spec == table.default_of(spec.pipeline),
            "chosen": chosen,
            "languages": list(spec.options.get("languages", ())),
            "files": [
                {"role": file.role, "name": file.name, "size": file.size, "here": places.is_here(spec, file)}
                for file in spec.files
            ],
            **self.way(spec),
        }

    def way(self, spec: ModelSpec) -> dict[str, Any]:
        """State, progress and error over all its files. What lies here is ready, whatever rows say."""
        missing = places.missing(spec)
        if not missing:
            return {"state": DownloadState.READY.value, "progress": 100, "error": ""}
        rows = [self.downloads[file.name] for file in missing if file.name in self.downloads]
        on_the_way = [row for row in rows if row.state != DownloadState.READY]
        order = (DownloadState.RUNNING, DownloadState.FAILED, DownloadState.QUEUED)
        state = next((one for one in order if any(row.state == one for row in on_the_way)), None)
        return {
            "state": state.value if state else "missing",
            "progress": percent(spec, on_the_way) if state else 0,
            "error": next((row.error for row in on_the_way if row.error), ""),
        }


def told_change(change: Change) -> dict[str, Any]:
    return {
        "answering": change.answering,
        "following": change.following,
        "done": change.done,
        "total": change.total,
    }


def percent(spec: ModelSpec, rows: list[Download]) -> int:
    """Of all its bytes, those that are here."""
    under_way = {row.name: row for row in rows}
    done = total = 0
    for file in spec.files:
        row = under_way.get(file.name)
        size = file.size or (row.bytes_total if row else None) or spec.disk_bytes // len(spec.files)
        total += size
        done += size if places.is_here(spec, file) else min(size, row.bytes_done if row else 0)
    return min(99, 100 * done // total) if total else 0


def told_licence(licence: str, accepted: set[str]) -> dict[str, Any]:
    about = licences.BY_ID[licence]
    return {
        "id": about.id,
        "title": about.title,
        "url": about.url,
        "terms": about.terms,
        "mustAccept": about.must_accept,
        "accepted": not about.must_accept or about.id in accepted,
    }
