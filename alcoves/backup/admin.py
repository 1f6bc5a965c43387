"""Rows of backups, looks and findings in the console; findings can be repaired and set aside."""

from typing import Any, Final

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from alcoves.backup import mending, tasks
from alcoves.backup.models import BLOBS, Backup, Finding, Look
from alcoves.wording import are, counted
from media import audit
from media.admin import many
from media.admin.filters import one_of
from media.admin.paging import LookOnly
from media.errors import InfrastructureError

MOST = 1000
COMMITTED: Final = 2.0
"""Seconds until a worker takes what was asked for."""
AWAY: Final = "Redis does not answer, so nothing was begun. Try again a little later."
REPAIRS: Final = (
    "What was made of an original is made anew, and lost bytes are brought back from a backup. Blobs that nothing "
    "names are deleted in a week."
)
IGNORES: Final = "No look and no alert tells of them again, until they are opened again."


@admin.register(Backup)
class BackupAdmin(LookOnly):
    list_display = (
        "name",
        "target",
        "state",
        "blobs",
        "encrypted",
        "started_at",
        "finished_at",
        "missing",
        "verified_at",
        "damaged_at",
    )
    list_filter = ("state", one_of("blobs", BLOBS), "scheduled")
    search_fields = ("=id", "name")
    ordering = ("-id",)


@admin.register(Look)
class LookAdmin(LookOnly):
    list_display = (
        "created_at",
        "state",
        "nightly",
        "deep",
        "whole",
        "looked",
        "found",
        "repaired",
        "finished_at",
    )
    list_filter = ("state", "nightly", "deep")
    search_fields = ("=id",)
    ordering = ("-id",)


@admin.register(Finding)
class FindingAdmin(LookOnly):
    list_display = ("key", "kind", "what", "state", "size_expected", "size_found", "text", "seen_at")
    list_filter = ("state", "kind", "what", one_of("store"))
    search_fields = ("=id", "=original", "=derivative", "key")
    ordering = ("-id",)
    actions = ("repair", "ignore", "reopen")

    def has_manage_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("console.manage_backups")

    @admin.action(description="Repair: make anew, or bring back from a backup", permissions=["manage"])
    def repair(self, request: HttpRequest, rows: QuerySet[Finding]) -> HttpResponse | None:
        if not many.is_sure(request):
            wanted = rows.filter(state__in=("open", "repairing"))
            return self.ask(request, wanted, "Repair", sentence=REPAIRS, button="Yes, repair")
        try:
            with transaction.atomic():
                keys = mending.ask(rows, by=audit.of(request))
                # Before the commit: where it cannot be sent nothing is marked or noted either.
                tasks.send_mend(keys, str(request.user.pk), after=COMMITTED)
        except many.AWAY as error:
            raise InfrastructureError(AWAY, detail=str(error)) from error
        what = f"{counted(len(keys), 'finding')} {are(len(keys))}"
        text = f"{what} repaired by a worker, one by one; the column Text says how, or why not."
        messages.success(request, text)
        return None

    @admin.action(description="Ignore: nothing can be done, and nobody needs it", permissions=["manage"])
    def ignore(self, request: HttpRequest, rows: QuerySet[Finding]) -> HttpResponse | None:
        rows = rows.filter(state__in=("open", "repairing"))
        if not many.is_sure(request):
            return self.ask(request, rows, "Ignore", sentence=IGNORES, button="Yes, ignore")
        self.turn(request, rows, Finding.State.IGNORED, "ignore")
        return None

    @admin.action(description="Open again", permissions=["manage"])
    def reopen(self, request: HttpRequest, rows: QuerySet[Finding]) -> None:
        self.turn(request, rows.filter(state=Finding.State.IGNORED), Finding.State.OPEN, "reopen")

    def ask(self, request: HttpRequest, rows: QuerySet[Finding], act: str, **told: Any) -> HttpResponse:
        """About these and no others that come meanwhile."""
        keys = list(rows.order_by("pk").values_list("pk", flat=True)[:MOST])
        kept = {"action": request.POST.get("action", "")}
        title = f"{act} {counted(len(keys), 'finding')}?"
        return many.ask(self, request, rows, title=title, keys=keys, kept=kept, **told)

    def turn(self, request: HttpRequest, rows: QuerySet[Finding], state: str, act_name: str) -> None:
        with audit.noting(f"findings.{act_name}", by=audit.of(request)) as act:
            keys: list[Any] = list(rows.values_list("pk", flat=True)[:MOST])
            act.count = Finding.objects.filter(pk__in=keys).update(state=state)
            act.text = f"Set {counted(act.count, 'finding')} to {state}."
        messages.success(request, act.text)
