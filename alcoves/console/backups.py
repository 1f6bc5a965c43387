"""Backups in the console: what was made, make one, look at one, restore one; the blobs; maintenance."""

from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.db.models import Q
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseRedirect,
    JsonResponse,
    StreamingHttpResponse,
)
from django.template.response import TemplateResponse
from django.urls import reverse

from alcoves.alerts.rules.blobs import open_findings
from alcoves.backup import (
    examining,
    maintenance,
    removing,
    restoring,
    sealing,
    sets,
    stopping,
    targets,
    tasks,
    verifying,
    working,
    writing,
)
from alcoves.backup.errors import BackupError
from alcoves.backup.models import BLOBS, Backup, Check, Look, State
from alcoves.backup.sealing import Plain
from alcoves.console.fragments import fragment
from alcoves.wording import spoken
from media import audit, controls, epochs, live, orphans
from media.models import SweepHold
from storage.errors import StoreError

MANAGE, RESTORE = "console.manage_backups", "console.restore_backups"
WORKS: Final[dict[str, Any]] = {"backup": Backup, "check": Check, "look": Look}
LIVE = "admin/backups_live.html"
SHOWN = 30
RESTORE_WAITS = 3600
"""Seconds. A restore that nobody took up by then is not begun behind the back of whoever asked."""


def show(request: HttpRequest) -> HttpResponse:
    if request.method == "POST":
        return act(request)
    about = {
        **admin.site.each_context(request),
        "title": "Backups",
        "targets": sorted(targets.named()),
        "target": live.value("BACKUP_TARGET") or targets.LOCAL,
        "blobs": BLOBS,
        "chosen": live.value("BACKUP_BLOBS"),
        "encrypts": bool(settings.BACKUP_PASSPHRASE),
        "schedule": schedule(),
        **described(request),
    }
    return TemplateResponse(request, "admin/backups.html", about)


def show_live(request: HttpRequest) -> JsonResponse:
    return fragment(request, LIVE, described(request))


def described(request: HttpRequest) -> dict[str, Any]:
    told = maintenance.standing()
    rows = Backup.objects.filter(pruned_at=None).order_by("-created_at")[:SHOWN]
    found = open_findings()
    sound = list(Backup.objects.sound().values_list("pk", flat=True)[:2])
    return {
        "backups": [describe(row) for row in rows],
        "only_sound": sound[0] if len(sound) == 1 else None,
        "checks": [
            describe(row) for row in Check.objects.select_related("backup").order_by("-created_at")[:5]
        ],
        "looks": [describe(row) for row in Look.objects.order_by("-created_at")[:5]],
        "findings": sum(one.count for one in found),
        "more_findings": any(one.more for one in found),
        "repairing": sum(one.repairing for one in found),
        "held": SweepHold.objects.filter(reason=orphans.RESTORED).exists(),
        "standing": told,
        "since": datetime.fromisoformat(told.since) if told.since else None,
        "restore": restoring.under_way(),
        "may_manage": request.user.has_perm(MANAGE),
        "may_restore": request.user.has_perm(RESTORE),
    }


def describe(row: Any) -> dict[str, Any]:
    """Work whose process has died is shown as killed; that it is kept as such is a matter of `backup.tick`."""
    if working.is_dead(row):
        row.state, row.error = State.KILLED, working.KILLED
    return {"row": row, "left": time_left(row), "took": took(row)}


def time_left(row: Any) -> str:
    """By the pace so far; empty where it is not known."""
    left = row.seconds_left
    return "" if left is None else spoken(left)


def took(row: Any) -> str:
    if not row.started_at or not row.finished_at:
        return "-"
    return spoken((row.finished_at - row.started_at).total_seconds())


def schedule() -> str:
    wanted = live.value("BACKUP_SCHEDULE")
    if wanted == "off":
        return "No backup is made by itself. Set BACKUP_SCHEDULE to have one each day or week."
    day = f" on {live.value('BACKUP_WEEKDAY').capitalize()}" if wanted == "weekly" else ""
    return f"A backup is made {wanted}{day} at {live.value('BACKUP_HOUR')}:00 UTC."


def act(request: HttpRequest) -> HttpResponse:
    if not request.user.has_perm(MANAGE):
        raise PermissionDenied
    acts = {
        "make": make,
        "check": check,
        "look": look,
        "stop": stop,
        "remove": remove,
        "sweep": let_sweep,
        "maintenance": turn,
    }
    wanted = acts.get(request.POST.get("act", ""))
    try:
        if wanted is None:
            raise BackupError(
                "This page can make, check and remove backups, look at blobs, let them be swept and turn maintenance."
            )
        if wanted in (make, check, look):
            require_workers()
        messages.success(request, wanted(request))
    except (BackupError, StoreError) as error:
        messages.error(request, str(error))
    return HttpResponseRedirect(reverse("admin:backups"))


def require_workers(or_else: str = "give manage.py backup or manage.py verify") -> None:
    """Where workers take nothing, what is asked of them here would wait for who knows how long."""
    if maintenance.standing().on:
        raise BackupError(f"Workers rest while maintenance is on: end it first, or {or_else} on the server.")
    if not controls.orders().takes("maintenance"):
        raise BackupError(f"The maintenance lane is paused: resume it first, or {or_else} on the server.")


def make(request: HttpRequest) -> str:
    which = request.POST.get("blobs", "")
    if which not in BLOBS:
        raise BackupError(f"Choose which bytes go along: {', '.join(BLOBS)}.")
    row = writing.ask(request.POST.get("target", ""), which, by=audit.of(request), named_only=True)
    tasks.send_backup(row)
    return f"The backup {row.name} begins as soon as the maintenance lane has a slot."


def check(request: HttpRequest) -> str:
    row = backup_of(request.POST.get("backup", ""))
    with transaction.atomic():
        asked = verifying.ask(row, by=audit.of(request))
        transaction.on_commit(lambda: tasks.send_check(asked))
    return f"Every part and blob of {row.name} is read and compared. What was found is told here."


def look(request: HttpRequest) -> str:
    deep, repair = request.POST.get("deep") == "on", request.POST.get("repair") == "on"
    if repair:
        require_sure(request, "repair")
    working.bury(Look)
    if Look.objects.filter(Q(state=State.RUNNING) | Q(state=State.QUEUED, nightly=False)).exists():
        raise BackupError("Somebody looks at the blobs already. Wait for the end of that.")
    with transaction.atomic():
        row = Look.objects.create(deep=deep, repair=repair, asked_by=audit.of(request).user)
        by = audit.of(request)
        audit.note("blobs.verify", by=by, text="Asked for a look at the blobs.", deep=deep, repair=repair)
        transaction.on_commit(lambda: tasks.send_look(row))
    return "The blobs are looked at as soon as the maintenance lane has a slot."


def require_sure(request: HttpRequest, what: str) -> None:
    if request.POST.get("sure") != "yes":
        raise BackupError(f"Say that you are sure: {what} asks for that first. Nothing was done.")


def stop(request: HttpRequest) -> str:
    model = WORKS.get(request.POST.get("kind", ""))
    if model is None:
        raise BackupError("Say what to stop: a backup, a check or a look.")
    require_sure(request, "stopping")
    try:
        name = stopping.stop(model, request.POST.get("row", ""), by=audit.of(request))
    except ValidationError:
        raise BackupError(stopping.ENDED) from None
    return f"{name.capitalize()} is stopped. Whoever does it ends within seconds."


def remove(request: HttpRequest) -> str:
    row = backup_of(request.POST.get("backup", ""))
    require_sure(request, "removing a set")
    removing.remove(row, by=audit.of(request))
    return f"{row.name} is removed. Blobs that no other set names go with the next backup."


def let_sweep(request: HttpRequest) -> str:
    require_sure(request, "letting blobs be swept")
    if not orphans.let_go(audit.of(request)):
        raise BackupError("Nothing is held after a restore.")
    return "The sweeper goes on. What nothing names goes for good."


def turn(request: HttpRequest) -> str:
    if request.POST.get("on") == "yes":
        reason = request.POST.get("reason", "").strip()
        if not reason:
            raise BackupError("Say why, in a sentence: everybody is shown it.")
        maintenance.switch_on(reason, by=audit.of(request))
        return "Maintenance is on. Members are shown the reason, and workers take nothing new."
    maintenance.switch_off(by=audit.of(request))
    return "Maintenance is off."


def backup_of(key: str) -> Backup:
    row = Backup.objects.filter(name=key, state=State.DONE, pruned_at=None).first()
    if row is None:
        raise BackupError("There is no finished backup of that name.")
    return row


def download_manifest(request: HttpRequest) -> HttpResponseBase:
    """Names, sizes and digests of what is in a set, decrypted: it tells names of files, so not everybody may."""
    if not request.user.has_perm(MANAGE):
        raise PermissionDenied
    try:
        row = backup_of(request.GET.get("backup", ""))
        store = targets.get(row.target).store
        head = sets.read_head(store, row.name)
        seal = sealing.find(store, settings.BACKUP_PASSPHRASE) if head.encrypted else None
        chunks = sets.part_chunks(store, head, sets.MANIFEST, seal or Plain())
    except (BackupError, StoreError) as error:
        raise Http404(str(error)) from error
    audit.note("backup.manifest", by=audit.of(request), text=f"Took the manifest of {row.name}.", target=row)
    answer = StreamingHttpResponse(chunks, content_type="application/x-ndjson")
    answer["Content-Disposition"] = f'attachment; filename="{row.name}-manifest.jsonl"'
    return answer


def show_restore(request: HttpRequest) -> HttpResponse:
    """The sets of a target; a restore is asked for here, with the name of the installation typed."""
    if request.method == "POST":
        return restore(request)
    wanted = request.GET.get("target", "") or str(live.value("BACKUP_TARGET")) or targets.LOCAL
    found: list[dict[str, Any]] = []
    trouble = ""
    try:
        heads = sets.heads(targets.by_name(wanted).store)
        found = [{**asdict(head), "made": head.made} for head in reversed(heads)]
    except (BackupError, StoreError) as error:
        trouble = str(error)
    about = {
        **admin.site.each_context(request),
        "title": "Restore a backup",
        "targets": sorted(targets.named()),
        "target": wanted,
        "sets": found,
        "trouble": trouble,
        "installation": examining.installation(),
        "occupied": examining.occupied(),
        "restore": restoring.under_way(),
        "rests": maintenance.standing().on,
    }
    return TemplateResponse(request, "admin/backups_restore.html", about)


def restore(request: HttpRequest) -> HttpResponse:
    target, name = request.POST.get("target", ""), request.POST.get("set", "")
    back = HttpResponseRedirect(reverse("admin:backups-restore"))
    try:
        if request.POST.get("name", "") != examining.installation():
            raise BackupError(
                f"Type {examining.installation()} to say that this installation is meant. Nothing was done."
            )
        require_workers("give manage.py restore")
        of = examining.opened(targets.by_name(target), name, settings.BACKUP_PASSPHRASE)
        by = audit.of(request)
        losses = request.POST.get("losses") == "yes"
        with transaction.atomic():
            audit.note(
                "backup.restore",
                by=by,
                text=f"Asked to restore {of.head.name} over this installation.",
                set=name,
                losses=losses,
            )
            given = (target, name, by.name, examining.installation(), epochs.current())
            # Before the commit: where it cannot be sent there is no entry either.
            more = {"with_losses": losses}
            tasks.restore.apply_async(given, more, queue="maintenance", expires=RESTORE_WAITS)
    except (BackupError, StoreError) as error:
        messages.error(request, str(error))
        return back
    messages.success(
        request, f"{name} is looked at, then restored. This page and the one of backups tell how far it is."
    )
    return back


def badge(request: HttpRequest) -> list[str] | None:
    """On every page of the console, beside its title."""
    told = maintenance.standing()
    if not told.on:
        return None
    return ["Restore under way" if told.restoring else "Maintenance: members are shut out", "danger"]
