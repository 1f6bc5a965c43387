"""The last backup, the last looks at all blobs, what was found, and whether people are shut out."""

from dataclasses import asdict
from typing import Any

from alcoves.alerts.rules.blobs import open_findings
from alcoves.backup.models import Backup, Look, Maintenance, State, Work
from media import live


def report() -> dict[str, Any]:
    ended = (
        Backup.objects.filter(finished_at__isnull=False).exclude(state=State.STOPPED).order_by("-finished_at")
    )
    whole = {row.deep: row for row in Look.objects.whole().order_by("deep", "-finished_at").distinct("deep")}
    maintenance = Maintenance.objects.filter(pk=1).first()
    return {
        "lastGood": backup(Backup.objects.sound().first()),
        "last": backup(ended.first()),
        "running": backup(Backup.objects.filter(state=State.RUNNING).first()),
        "schedule": live.value("BACKUP_SCHEDULE"),
        "lastVerification": look(whole.get(True)),
        "lastSizes": look(whole.get(False)),
        "verifying": look(Look.objects.filter(state=State.RUNNING).first()),
        "findings": [asdict(one) for one in open_findings()],
        "maintenance": {"on": maintenance.on, "reason": maintenance.reason} if maintenance else None,
    }


def work(row: Work) -> dict[str, Any]:
    return {
        "state": row.state,
        "started": row.started_at.isoformat() if row.started_at else None,
        "finished": row.finished_at.isoformat() if row.finished_at else None,
        "percent": row.percent,
        "secondsLeft": row.seconds_left,
        "error": row.error[:300],
    }


def backup(row: Backup | None) -> dict[str, Any] | None:
    if row is None:
        return None
    return {
        **work(row),
        "name": row.name,
        "blobs": row.blobs,
        "encrypted": row.encrypted,
        "bytes": row.size + row.files_size,
        "files": row.files,
        "missing": row.missing,
        "damaged": row.damaged_at.isoformat() if row.damaged_at else None,
        "verified": row.verified_at.isoformat() if row.verified_at else None,
    }


def look(row: Look | None) -> dict[str, Any] | None:
    if row is None:
        return None
    return {
        **work(row),
        "deep": row.deep,
        "whole": not row.partial,
        "looked": row.looked,
        "total": row.total,
        "found": row.found,
        "repaired": row.repaired,
    }
