"""Rows as the API tells them: camelCase, and the job columns that the web app polls, flattened per file.

The job columns keep the names of the reference (`waveform_status`, `waveform_eta_seconds` ...). `shapes` declares the
same keys for the OpenAPI document; a test holds every answer against it.
"""

from typing import Any

from django.db.models import Prefetch, Q, QuerySet
from django.urls import reverse

from media import addresses
from media.api import metadata
from media.derivers.registry import all_derivers
from media.images import variants
from media.models import Derivative, File, Folder, Library, Membership, Stack
from media.pictures import POSTER, find_picture, poster_of
from media.playback import SPOKEN

DONE_COLUMN = {
    "metadata": "metadata_extracted_version",
    "proxy": "proxied_version",
    "subtitles": "subtitled_version",
    "faces": "faces_detected_version",
    "objects": "objects_detected_version",
    "sounds": "sounds_detected_version",
    "transcript": "transcribed_version",
    "embedding": "embedded_version",
}
"""Where the reference's name for "version that is ready" is not `<job>ed_version`."""


def with_all(files: QuerySet[File], *, probe: bool = False) -> Any:
    """Everything `file` needs, in two queries more, whatever the number of files. `probe` for the details of one."""
    derivatives = (
        Derivative.objects.filter(Q(variant="") | Q(deriver__in=(POSTER[0], SPOKEN)))
        .defer("error_detail", "lease_owner")
        .order_by("deriver", "variant")
    )
    found = files.select_related("original", "stack").prefetch_related(
        Prefetch("original__derivatives", queryset=derivatives)
    )
    return found if probe else found.defer("original__probe")


def job_names() -> list[str]:
    """Derivers that people see, in the order of the settings."""
    return [deriver.name for deriver in all_derivers() if not deriver.hidden]


def modelled_jobs() -> list[str]:
    """Those of them for which a library has a switch: a model makes them, and `<job>_model` names it."""
    return [deriver.name for deriver in all_derivers() if deriver.switch and not deriver.hidden]


def done_column(job: str) -> str:
    return DONE_COLUMN.get(job, f"{job}ed_version")


SWITCH_NAMES = {
    "faces": "faces",
    "objects": "objects",
    "audio_events": "audioEvents",
    "transcripts": "transcripts",
    "semantic": "semantic",
    "sharing": "sharing",
}
"""What the API calls the switches of a library."""


def library(row: Library, role: str) -> dict[str, Any]:
    """With the switches that it still follows: in lists they are read ahead."""
    on = row.switches()
    return {
        "id": str(row.pk),
        "name": row.name,
        "emoji": row.emoji,
        "role": role,
        **{told: switch in on for switch, told in SWITCH_NAMES.items()},
        "switching": [
            {"switch": SWITCH_NAMES[one.switch], "on": one.on, "done": one.done, "total": one.total}
            for one in row.switchings.all()
        ],
        "quotaBytes": row.quota_bytes,
        "createdAt": row.created_at,
        "updatedAt": row.updated_at,
    }


def member(row: Membership) -> dict[str, Any]:
    user: Any = row.user
    return {
        "userId": str(row.user_id),
        "email": user.email,
        "name": user.name,
        "avatarUrl": user.avatar_url,
        "role": row.role,
        "joinedAt": row.created_at,
    }


def folder(row: Folder) -> dict[str, Any]:
    return {
        "id": str(row.pk),
        "libraryId": str(row.library_id),
        "parentId": str(row.parent_id) if row.parent_id else None,
        "name": row.name,
        "createdAt": row.created_at,
        "updatedAt": row.updated_at,
    }


def file(row: File, image_pass: str) -> dict[str, Any]:
    """One file, its original's facts, its pictures signed for the caller, the state of every job. Needs `with_all`.

    Of one that is set aside: its name and that it is, but no pictures, no jobs, and nothing of what is in it.
    """
    original = row.original
    told = metadata.tellable(original)
    is_told = told is original
    width, height = variants.turned(told.width, told.height, row.rotation)
    rows = list(original.derivatives.all()) if original.held_at is None else []
    derivatives = {derivative.deriver: derivative for derivative in rows if derivative.variant == ""}
    poster = poster_of(row, rows)
    shown = derivatives | {POSTER[0]: poster} if poster is not None else derivatives
    return {
        "id": str(row.pk),
        "libraryId": str(row.library_id),
        "folderId": str(row.folder_id) if row.folder_id else None,
        "name": row.name,
        "mimeType": original.mime,
        "kind": original.kind,
        "size": original.size,
        "hash": told.sha256,
        "width": width,
        "height": height,
        "rotation": row.rotation,
        "duration": told.duration,
        **metadata.listed(told),
        "effectiveAt": row.effective_at if is_told else row.created_at,
        "clientModifiedAt": row.client_modified_at if is_told else None,
        "createdAt": row.created_at,
        "updatedAt": row.updated_at,
        "trashedAt": row.trashed_at,
        "setAside": not is_told,
        "stack": stack_of(row),
        "originalUrl": reverse("api:original", args=(row.library_id, row.pk)),
        **pictures(row, shown),
        "loudness": loudness(derivatives.get("loudness")),
        **addresses.facts_of(row, find_picture(row, rows), image_pass),
        **jobs(row, derivatives),
        "thumbnail_file_id": str(row.pk) if output_of(row, poster, "poster.webp") else None,
    }


def stack_of(row: File) -> dict[str, Any] | None:
    """None where the file stands alone: half of a pair, taken apart, in the trash."""
    found = row.stack if row.trashed_at is None else None
    return stack(found) if found is not None and found.primary_id is not None else None


def stack(row: Stack) -> dict[str, Any]:
    primary = str(row.primary_id) if row.primary_id else None
    return {"id": str(row.pk), "kind": row.kind, "primary": primary, "count": row.count}


def pictures(row: File, derivatives: dict[str, Derivative]) -> dict[str, Any]:
    """Addresses of what can be shown, and what to show until it has loaded."""
    facts: dict[str, Any] = {}
    for name in ("preview", "poster"):
        facts = facts or (derivatives[name].facts if name in derivatives else {})
    return {
        "posterUrl": output_url(row, derivatives, "poster", "poster.webp"),
        "previewUrl": output_url(row, derivatives, "preview", "preview.webp")
        or output_url(row, derivatives, "poster", "poster-large.webp"),
        "thumbUrl": output_url(row, derivatives, "preview", "thumb.webp")
        or output_url(row, derivatives, "poster", "poster.webp"),
        "hoverUrl": output_url(row, derivatives, "hover", "hover.webp"),
        "motionUrl": output_url(row, derivatives, "motion", "motion.mp4"),
        "waveformUrl": output_url(row, derivatives, "waveform", "waveform.json"),
        "spritesUrl": output_url(row, derivatives, "sprites", "sprites.vtt"),
        "thumbhash": facts.get("thumbhash"),
        "color": facts.get("color"),
    }


def output_url(row: File, derivatives: dict[str, Derivative], deriver: str, name: str) -> str | None:
    return output_of(row, derivatives.get(deriver), name)


def output_of(row: File, derivative: Derivative | None, name: str) -> str | None:
    """None where there is nothing to show. The address changes with the bytes, so browsers may keep them."""
    output = derivative.output(name) if derivative is not None else None
    if derivative is None or output is None:
        return None
    return derivative_url(row, derivative.deriver, output, derivative.variant)


def derivative_url(row: File, deriver: str, output: dict[str, Any], variant: str = "") -> str:
    address = reverse("api:output", args=(row.library_id, row.pk, deriver, output["name"]))
    chosen = f"&variant={variant}" if variant else ""
    return f"{address}?v={version_of(output)}{chosen}"


def version_of(output: dict[str, Any]) -> str:
    """Short name of the bytes of an output. Its key is never written twice; the digest may be unknown."""
    return str(output.get("sha256") or "")[:16] or output["key"].split("/")[-2][-16:]


def jobs(row: File, derivatives: dict[str, Derivative]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for job in job_names():
        found.update(job_columns(job, derivatives.get(job)))
    for job in modelled_jobs():
        found[f"{job}_model"] = derivatives[job].made_by.get("model") if job in derivatives else None
    waveform = derivatives.get("waveform")
    found["waveform_peaks_per_second"] = waveform.facts.get("peaks_per_second") if waveform else None
    found["waveform_levels"] = waveform_levels(waveform)
    found["source_file_id"] = None
    return found


def waveform_levels(row: Derivative | None) -> list[dict[str, int]]:
    """From fine to coarse; none while there is no waveform."""
    return [
        {
            "level": level["level"],
            "samplesPerPeak": level["samples_per_peak"],
            "peaks": level["peaks"],
        }
        for level in (row.facts.get("levels", ()) if row else ())
    ]


def loudness(row: Derivative | None) -> dict[str, float | None] | None:
    """By EBU R128; None where it was not measured, nulls inside for silence."""
    if row is None or "integrated" not in row.facts:
        return None
    return {
        "integrated": row.facts["integrated"],
        "range": row.facts["range"],
        "truePeak": row.facts["true_peak"],
        "threshold": row.facts["threshold"],
    }


def job_columns(job: str, row: Derivative | None) -> dict[str, Any]:
    """All null where the job was not planned for this file."""
    return {
        f"{job}_status": row.status if row else None,
        f"{job}_progress": row.progress if row else None,
        f"{job}_eta_seconds": row.eta_seconds if row else None,
        f"{job}_error": (row.error_message or None) if row else None,
        f"{job}_version": row.requested_version if row else None,
        done_column(job): row.ready_version if row else None,
    }


def derivative(file_row: File, row: Derivative) -> dict[str, Any]:
    """One derivative in full. What only staff may see (stderr, keys, lease) stays inside."""
    return {
        "deriver": row.deriver,
        "variant": row.variant,
        "status": row.status,
        "progress": row.progress,
        "etaSeconds": row.eta_seconds,
        "requestedVersion": row.requested_version,
        "readyVersion": row.ready_version,
        "madeBy": row.made_by,
        "facts": row.facts,
        "attempts": row.attempts,
        "errorCode": row.error_code or None,
        "errorMessage": row.error_message or None,
        "queuedAt": row.queued_at,
        "startedAt": row.started_at,
        "finishedAt": row.finished_at,
        "outputs": [
            {
                "name": output["name"],
                "size": output["size"],
                "contentType": output["content_type"],
                "url": derivative_url(file_row, row.deriver, output, row.variant),
            }
            for output in row.outputs
        ],
    }
