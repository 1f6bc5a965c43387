"""Models: which each pipeline uses, all that the registry has, what is here, and choosing, fetching, deleting."""

from typing import Any, Final

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.response import TemplateResponse
from django.urls import reverse

from alcoves.console.fragments import fragment
from alcoves.wording import are, counted
from media import audit
from media.errors import MediaError
from ml import selection
from ml.api.models import Told
from ml.downloads import deciding
from ml.errors import UnknownModelError
from ml.registry import table
from ml.registry.specs import PIPELINES, ModelSpec, Pipeline

PERMISSION: Final = "console.choose_models"
LIVE: Final = "admin/models_live.html"
ABOUT: Final[dict[str, str]] = {
    "faces": "Finds faces, and tells people apart.",
    "objects": "Names what is to be seen.",
    "sounds": "Names what is to be heard.",
    "speech": "Writes down what is said.",
    "search": "Finds pictures by what they mean. Another model first looks at all; until then the old one answers.",
}


def show(request: HttpRequest) -> HttpResponse:
    """GET shows all; POST does one thing, and says what came of it."""
    if request.method == "POST":
        if not request.user.has_perm(PERMISSION):
            raise PermissionDenied
        return act(request)
    about = {**admin.site.each_context(request), "title": "Models", **described(request)}
    return TemplateResponse(request, "admin/models_page.html", about)


def show_live(request: HttpRequest) -> JsonResponse:
    return fragment(request, LIVE, described(request))


def described(request: HttpRequest) -> dict[str, Any]:
    told = Told().pipelines()
    return {
        "pipelines": [{**one, "about": ABOUT.get(one["pipeline"], ""), **spoken(one)} for one in told],
        "may_choose": request.user.has_perm(PERMISSION),
    }


def spoken(pipeline: dict[str, Any]) -> dict[str, Any]:
    """Of speech: the languages that the chosen model knows."""
    chosen = next(model for model in pipeline["models"] if model["chosen"])
    known = [selection.AUTO, *chosen["languages"]] if pipeline["pipeline"] == "speech" else []
    return {"chosen": chosen, "languages": known}


def act(request: HttpRequest) -> HttpResponse:
    """What cannot be taken back is asked about first."""
    what = request.POST.get("act", "")
    try:
        if what in ASKING and "sure" not in request.POST:
            return ask(request, what)
        done = ACTS.get(what)
        if done is None:
            raise UnknownModelError("There is no such act. Load the page again.")
        messages.success(request, done(request))
    except MediaError as error:
        messages.error(request, error.message)
    return HttpResponseRedirect(reverse("admin:models"))


def ask(request: HttpRequest, what: str) -> HttpResponse:
    about = {
        **admin.site.each_context(request),
        "title": "Delete a model" if what == "delete" else "Accept a licence",
        "act": what,
        "given": {name: request.POST.get(name, "") for name in ("pipeline", "model", "licence")},
        **ASKING[what](request),
    }
    return TemplateResponse(request, "admin/models_ask.html", about)


def about_deleting(request: HttpRequest) -> dict[str, Any]:
    return {"spec": named_model(request)}


def about_licence(request: HttpRequest) -> dict[str, Any]:
    wanted = request.POST.get("licence", "")
    for pipeline in Told().pipelines():
        for model in pipeline["models"]:
            if model["licence"]["id"] == wanted:
                return {"licence": model["licence"]}
    raise UnknownModelError("No model has this licence. Load the page again.")


ASKING: Final = {"delete": about_deleting, "accept": about_licence}


def named_pipeline(request: HttpRequest) -> Pipeline:
    name = request.POST.get("pipeline", "")
    if name not in PIPELINES:
        raise UnknownModelError(f"There is no pipeline {name!r}. Choose one of: {', '.join(PIPELINES)}.")
    return name


def named_model(request: HttpRequest) -> ModelSpec:
    pipeline, model = named_pipeline(request), request.POST.get("model", "")
    spec = table.find_model(pipeline, model)
    if spec is None:
        raise UnknownModelError(f"The registry has no model {model!r} for {pipeline}. Load the page again.")
    return spec


def choose(request: HttpRequest) -> str:
    spec = deciding.choose(
        named_pipeline(request),
        request.POST.get("model", ""),
        language=request.POST.get("language") or None,
        by=request.user,
        actor=audit.of(request),
    )
    return f"{spec.title} is used from now on. What is running ends with the old one."


def accept(request: HttpRequest) -> str:
    deciding.accept(request.POST.get("licence", ""), by=request.user, actor=audit.of(request))
    return "The licence is accepted. What waited for it goes on."


def fetch(request: HttpRequest) -> str:
    return deciding.fetch(named_model(request), actor=audit.of(request))


def delete(request: HttpRequest) -> str:
    spec = named_model(request)
    names = deciding.remove(spec, actor=audit.of(request))
    return f"{counted(len(names), 'file')} of {spec.title} {are(len(names))} deleted."


ACTS: Final = {"choose": choose, "accept": accept, "download": fetch, "delete": delete}
