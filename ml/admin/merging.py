"""What librarians decide about people in the console: merging, undoing it, and answering proposals.

All through the flows of `ml.faces`, each with its entry in the audit log.
"""

from collections.abc import Callable
from typing import Any, ClassVar, Final
from uuid import UUID

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString

from alcoves.wording import are, counted
from media import audit
from media.admin import many
from media.errors import MediaError
from media.models import Library
from ml.faces import people

MOST: Final = 50
"""Rows that are decided in one go."""


class Deciding:
    """For pages whose rows are only looked at, but decided on by those who may change people."""

    actions: ClassVar[Any] = ()

    def has_decide_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("ml.change_person")


class MergingMixin(Deciding):
    """Merging people of one library, and taking it back."""

    actions: ClassVar[Any] = ("merge", "undo")

    @admin.action(description="Merge: these are one person", permissions=["decide"])
    def merge(self, request: HttpRequest, rows: QuerySet[Any]) -> HttpResponse | None:
        """Asks which of them stays."""
        chosen = list(rows.select_related("library").order_by("pk")[: MOST + 1])
        why_not = cannot_merge(chosen)
        if why_not:
            messages.error(request, why_not)
            return None
        stays = request.POST.get("stays", "")
        if not many.is_sure(request) or stays not in {str(one.pk) for one in chosen}:
            return ask_who_stays(self, request, rows, chosen)
        chosen.sort(key=lambda one: str(one.pk) != stays)
        run(request, lambda: merge(request, chosen))
        return None

    @admin.action(description="Undo the last merge into this person", permissions=["decide"])
    def undo(self, request: HttpRequest, rows: QuerySet[Any]) -> None:
        for one in rows.select_related("library").order_by("pk")[:MOST]:
            run(request, lambda one=one: undo(request, one))  # type: ignore[misc]


def cannot_merge(chosen: list[Any]) -> str:
    """A sentence, or "" where they can be."""
    if len(chosen) < 2:
        return "It takes two people to merge them. Choose both."
    if len(chosen) > MOST:
        return f"Merge at most {MOST} people at once."
    if len({one.library_id for one in chosen}) > 1:
        return "These people are of different libraries. People are merged within one library."
    if any(one.merged_into_id for one in chosen):
        return "One of these was merged into another one already. Choose people on their own."
    return ""


def ask_who_stays(page: Any, request: HttpRequest, rows: QuerySet[Any], chosen: list[Any]) -> HttpResponse:
    from ml.admin.people import crop

    described: list[tuple[str, str, int, SafeString | str]] = [
        (str(one.pk), str(one), one.faces_known, crop(one.shown_of, one.shown)) for one in chosen
    ]
    answer: HttpResponse = many.ask(
        page,
        request,
        rows,
        title="Merge people",
        sentence="Who stays? All faces of the others become theirs. It can be undone for a while.",
        people=described,
        button="Merge",
    )
    answer.template_name = "admin/ml/person/merge.html"  # type: ignore[attr-defined]
    return answer


def merge(request: HttpRequest, chosen: list[Any]) -> str:
    first = chosen[0]
    with audit.noting("people.merge", by=audit.of(request), target=first) as act:
        stays = people.merge(first.library, [one.pk for one in chosen])
        act.count = len(chosen)
        act.detail = {"merged": [str(one.pk) for one in chosen[1:]]}
        act.text = f"{len(chosen)} people are one now: {stays}."
    return act.text


def undo(request: HttpRequest, one: Any) -> str:
    with audit.noting("people.undo_merge", by=audit.of(request), target=one) as act:
        back = people.undo_merge(one.library, one.pk)
        act.count = len(back)
        act.detail = {"restored": [str(other.pk) for other in back]}
        act.text = f"{counted(len(back), 'person')} {are(len(back))} on their own again: {', '.join(map(str, back))}."
    return act.text


class AnsweringMixin(Deciding):
    """Proposals are taken or declined, one by one in order."""

    actions: ClassVar[Any] = ("accept", "decline")
    accepting: ClassVar["staticmethod[[Library, UUID], Any]"]
    declining: ClassVar["staticmethod[[Library, UUID], Any]"]

    @admin.action(description="Accept: it is so", permissions=["decide"])
    def accept(self, request: HttpRequest, rows: QuerySet[Any]) -> None:
        self.answer(request, rows, "accept", type(self).accepting)

    @admin.action(description="Decline: it is not so, and is not asked again", permissions=["decide"])
    def decline(self, request: HttpRequest, rows: QuerySet[Any]) -> None:
        self.answer(request, rows, "decline", type(self).declining)

    def answer(
        self, request: HttpRequest, rows: QuerySet[Any], what: str, flow: Callable[[Library, Any], Any]
    ) -> None:
        done = 0
        for row in rows.select_related("library").order_by("pk")[:MOST]:
            done += run(request, lambda row=row: decide(request, row, what, flow), quiet=True)  # type: ignore[misc]
        messages.success(request, f"{done} proposals are answered.")
        if rows.order_by()[: MOST + 1].count() > MOST:
            messages.warning(request, f"At most {MOST} are answered at once. Repeat it for the others.")


def decide(request: HttpRequest, row: Any, what: str, flow: Callable[[Library, Any], Any]) -> str:
    kind = "merge" if row._meta.model_name == "mergeproposal" else "face"
    with audit.noting(f"people.{what}_{kind}", by=audit.of(request), target=row) as act:
        flow(row.library, row.pk)
        act.count, act.text = 1, f"The proposal {row} was {'accepted' if what == 'accept' else 'declined'}."
    return act.text


def run(request: HttpRequest, act: Callable[[], str], *, quiet: bool = False) -> bool:
    """Says what came of it, or the sentence why not."""
    try:
        text = act()
    except MediaError as error:
        messages.error(request, error.message)
        return False
    if not quiet:
        messages.success(request, text)
    return True
