"""A row of every model that has a page in the console, with names that try to break it."""

import json
import re
from datetime import timedelta
from io import BytesIO
from typing import Any, Final
from uuid import uuid4

from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.contrib.auth.models import Group
from django.db import models
from django.utils import timezone
from django_celery_results.models import TaskResult
from PIL import Image

from alcoves.accounts.models import AccessToken, User
from alcoves.alerts.models import Alert, Delivery, Mention
from alcoves.backup.models import Backup, Finding, Look
from media import audit
from media.folders import create_folder
from media.models import (
    Attempt,
    Bulk,
    CachedImage,
    Control,
    File,
    Library,
    Moment,
    MomentShare,
    Stack,
    SweepHold,
    Switching,
    Tag,
    UnnamedBlob,
    Upload,
    WorkerReport,
)
from media.models.audit import Via
from ml.models import (
    Acceptance,
    Choice,
    Download,
    FaceProposal,
    FaceRejection,
    KeptCopy,
    MergeProposal,
    Person,
    PictureEmbedding,
    SearchModel,
    SimilarDecision,
)
from tests.media.api.conftest import finish
from tests.ml.people.making import make_face
from tests.ml.search.things import derived, holds, put, says, sounds_of

TASK: Final = uuid4()
"""A reprocess of many."""
NAMES: Final = (
    "<script>document.title='owned'</script><img src=x onerror=document.title='owned'>",
    "\u0645\u0643\u062a\u0628\u0629 \u0627\u0644\u0639\u0627\u0626\u0644\u0629 2026",
    "\U0001f3de\ufe0f\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466 holiday",
    "a" * 180,
    "a name of many words " * 9,
)


def fill(root: User, library: Library, name: str) -> None:
    file = put(library, name[:255])
    finish(file, "preview", {"thumb.webp": (WEBP, "image/webp")}, {"thumb_width": 4, "thumb_height": 4})
    holds(file, name[:64])
    sounds_of(file, name[:64], 10.0)
    says(file, "en", name, name)
    PictureEmbedding.objects.create(
        library=library,
        original_id=file.original_id,
        derivative=derived(file, "embedding"),
        model="m",
        embedding=[0.5] * 8,
    )
    one, two = sorted(
        (Person.objects.create(library=library, name=name[:200]) for _ in "ab"), key=lambda row: row.pk
    )
    face = make_face(library, person=one, file=file)
    FaceRejection.objects.create(face=face, person=two)
    FaceProposal.objects.create(library=library, face=make_face(library, file=file), person=two, distance=0.2)
    KeptCopy.objects.create(file=file, original=file.original, decided_by=root)
    MergeProposal.objects.create(library=library, first=one, second=two, distance=0.1)
    around(root, library, file, name)


def around(root: User, library: Library, file: File, name: str) -> None:
    AccessToken.issue(root, name[:100])
    create_folder(library, re.sub(r"[/\\\\]", " ", name)[:200])
    now = timezone.now()
    CachedImage.objects.create(original=file.original, key=f"derived/{file.pk}", size=10, used_at=now)
    Stack.objects.create(library=library, kind="burst", mark=name[:200], primary=file, count=1)
    moment = Moment.objects.create(file=file, name=name[:200], start=1, end=2, created_by=root)
    moment.tags.add(Tag.objects.create(library=library, name=name[:60], color="#EF4444"))
    MomentShare.objects.create(moment=moment, created_by=root)
    Switching.objects.create(library=library, switch="faces", on=True)
    Upload.objects.create(library=library, user=root, kind="tus", name=name[:255], length=10, expires_at=now)
    audit.note("test.act", by=audit.Actor(Via.CONSOLE, root), text=name, target=file, detail_of=name)
    troubles(root, file, name)
    file.original.derivatives.filter(deriver="objects").update(
        status="failed", error_code="broken", error_message=name, error_detail=name * 20
    )


def troubles(root: User, file: File, name: str) -> None:
    """A failed try, an alert with its letter, a backup, a look at the blobs and what it found."""
    now = timezone.now()
    about = {"deriver": "preview", "queue": "thumbnail", "version": 1, "number": 1, "worker": name[:128]}
    said = {"outcome": "failed", "error_code": "broken", "error_message": name, "error_detail": name * 20}
    job = derived(file, "embedding").pk
    Attempt.objects.create(original=file.original, derivative_id=job, finished_at=now, **about, **said)
    alert = Alert.objects.create(key=name[:200], severity="critical", sentence=name, link="/admin/")
    letter = Delivery.objects.create(channel="mail", event="alerts", error=name)
    Mention.objects.create(delivery=letter, alert=alert, what="trouble")
    Backup.objects.create(name=f"{Backup.objects.count()}-{name}"[:40], target=name[:255], error=name)
    Look.objects.create(error=name, asked_by=root)
    Finding.objects.create(
        kind="missing", what="original", store="files", key=name[:512], text=name, seen_at=now
    )


def webp() -> bytes:
    held = BytesIO()
    Image.new("RGB", (48, 48), "teal").save(held, "WEBP")
    return held.getvalue()


WEBP: Final = webp()


def fill_once(root: User, file: File) -> None:
    """Of what there is one, whatever the libraries are."""
    now, name = timezone.now(), NAMES[0]
    other = File.objects.exclude(original=file.original_id).latest("pk")
    first, second = sorted((file.original, other.original), key=lambda row: row.pk)
    SimilarDecision.objects.create(library=file.library, first=first, second=second, decided_by=root)
    SearchModel.objects.create(model="m" * 60)
    Choice.objects.create(pipeline="faces", model="m" * 60, chosen_by=root)
    Acceptance.objects.create(licence="l" * 60, accepted_by=root)
    Download.objects.create(pipeline="faces", model="m" * 60, name="n" * 190, state="failed", error=name * 5)
    Control.objects.create(
        kind="queue", name="metadata", paused=True, reason=name, set_by=root.email, set_at=now
    )
    WorkerReport.objects.create(name="w" * 100, lane="all", host="h" * 200, began_at=now, seen_at=now)
    SweepHold.objects.create(store="files", reason="backup", until=now + timedelta(hours=1))
    UnnamedBlob.objects.create(store="files", key="k" * 300, due_at=now)
    said = json.dumps({"exc_type": "OSError", "exc_module": "builtins", "exc_message": [name]})
    TaskResult.objects.create(
        task_id=str(TASK), task_name="media.act_on_many", status="FAILURE", result=said, traceback=name
    )
    Bulk.objects.create(
        pk=TASK, act="reprocess", actor=root, via="console", state="failed", text=name, total=9, until=TASK
    )
    Group.objects.get_or_create(name="operator")
    strangers(now)


def strangers(now: Any) -> None:
    about = {
        "user_agent": "a" * 200,
        "ip_address": "203.0.113.7",
        "username": NAMES[0],
        "path_info": "/login",
    }
    AccessAttempt.objects.create(attempt_time=now, get_data="", post_data="", failures_since_start=9, **about)
    AccessFailureLog.objects.create(attempt_time=now, **about)
    AccessLog.objects.create(attempt_time=now, **about)


def first_of(model: type[models.Model]) -> models.Model:
    row = model._default_manager.order_by("pk").first()
    assert row is not None, f"no row of {model._meta.label}, so its page is not looked at: make one"
    return row
