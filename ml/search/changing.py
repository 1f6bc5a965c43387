"""Another model of search was chosen: all is looked at again in the background, and meanwhile the old model answers.

    chosen (ml.selection) -> tend, each minute: some more rows are asked for -> recorded -> all are there: it answers

Vectors of the model before are kept, so that going back costs only what came meanwhile. What is derived from rows is
what counts: a message that is lost, or a worker that dies, changes nothing.
"""

import logging
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import Exists, OuterRef, Subquery

from media import reprocess
from media.models import Derivative
from ml import selection
from ml.downloads import ordering
from ml.models import PictureEmbedding, SearchModel
from ml.registry import places, table
from ml.registry.specs import ModelSpec

logger = logging.getLogger(__name__)
DERIVER: Final = "embedding"
AT_ONCE: Final = 300
"""Rows that are on their way: new pictures do not queue up behind a whole library, and a minute's work is there."""
FORGOTTEN_AT_ONCE: Final = 1000


@dataclass(frozen=True, slots=True)
class Change:
    """How far it is. `total` is 0 until it has been counted."""

    answering: str
    following: str
    done: int
    total: int


def answering() -> ModelSpec | None:
    """The model by whose vectors is searched: the chosen one once it has seen all, and before that the one before.
    None where no files of either are here. Two queries."""
    row = SearchModel.objects.first()
    old = table.find_model("search", row.model) if row is not None else None
    chosen = selection.chosen("search")
    return next((spec for spec in (old, chosen) if spec is not None and not places.missing(spec)), None)


def answering_id() -> Subquery:
    """For a query: the same, of which the files need not be here."""
    return Subquery(SearchModel.objects.values("model")[:1])


def change(chosen: ModelSpec) -> Change | None:
    """What is under way to the model that is chosen. One query."""
    row = SearchModel.objects.first()
    if row is None or (row.model == chosen.id and not row.following):
        return None
    return Change(row.model, chosen.id, max(0, row.total - row.left), row.total)


def note(model: str) -> str:
    """Vectors of this model are written down; returns the model that answers. Inside the transaction that writes."""
    row = SearchModel.objects.first()
    if row is None:
        first = PictureEmbedding.objects.order_by("pk").values_list("model", flat=True).first()
        row, _ = SearchModel.objects.get_or_create(pipeline="search", defaults={"model": first or model})
    if row.model != model and not row.following:
        SearchModel.objects.filter(pk=row.pk, following="").update(following=model)
    found: str = row.model
    return found


def tend() -> int:
    """One look: asks for some more rows, or ends the change. Returns how many were asked for."""
    row = SearchModel.objects.first()
    spec = selection.chosen("search")
    if row is None or (row.model == spec.id and not row.following):
        return 0
    begin(row, spec)
    outdated = outdated_rows(spec)
    if places.missing(spec) and outdated.exists():
        if selection.may_fetch(spec):
            ordering.order(spec)
        return 0
    asked = ask_for_more(outdated)
    row.left = outdated.filter(status__in=("ready", "queued", "processing")).wanted().count()
    row.total = max(row.total, row.left)
    row.save(update_fields=["left", "total", "updated_at"])
    if not row.left and not asked:
        end(row, spec)
    return asked


def begin(row: SearchModel, spec: ModelSpec) -> None:
    if row.following == spec.id:
        return
    if row.following and spec.id == row.model:
        row.before = row.following
    row.following, row.left, row.total = spec.id, 0, 0
    row.save(update_fields=["before", "following", "left", "total", "updated_at"])


def outdated_rows(spec: ModelSpec) -> Any:
    """Rows of what another model has seen and this one has not. What has failed by this one is among them."""
    seen = PictureEmbedding.objects.filter(original=OuterRef("original_id"))
    rows = Derivative.objects.filter(deriver=DERIVER, variant="", original__library__semantic=True)
    return rows.filter(Exists(seen.exclude(model=spec.id)), ~Exists(seen.filter(model=spec.id)))


def ask_for_more(outdated: Any) -> int:
    """The newest first. What lies in the trash is asked for too, and made when it comes back."""
    under_way = outdated.filter(status__in=("queued", "processing")).wanted().count()
    ready = outdated.filter(status="ready").order_by("-original_id")
    keys = list(ready.values_list("pk", flat=True)[: max(0, AT_ONCE - under_way)])
    return reprocess.request(keys) if keys else 0


def end(row: SearchModel, spec: ModelSpec) -> None:
    """The chosen model answers. The next look is the last one: a run that had begun with the old model may have ended
    in between."""
    if row.model != spec.id:
        row.before, row.model = row.model, spec.id
        row.save(update_fields=["before", "model", "updated_at"])
        logger.info("searches are answered by %s now", spec.id)
        return
    row.following = ""
    row.save(update_fields=["following", "updated_at"])
    forget(row)


def forget(row: SearchModel) -> None:
    """Vectors of models before the one before."""
    if not row.before:
        return
    others = PictureEmbedding.objects.exclude(model__in=(row.model, row.before))
    while keys := list(others.values_list("pk", flat=True)[:FORGOTTEN_AT_ONCE]):
        PictureEmbedding.objects.filter(pk__in=keys).delete()
