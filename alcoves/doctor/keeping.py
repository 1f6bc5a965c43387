"""What heavy checks said when they were last asked by the page: a small file of this machine, which they are about."""

import json
import logging
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from django.conf import settings

from alcoves.doctor.examining import Answer
from alcoves.doctor.findings import Check, Finding, Level, note

logger = logging.getLogger(__name__)


def place() -> Path:
    return Path(settings.DATA_PATH) / "run" / "doctor.json"


def remember(answers: Iterable[Answer]) -> None:
    """Where there is no room for it, that is what the page has just said."""
    told = {one.check.name: [asdict(finding) for finding in one.findings] for one in answers}
    try:
        place().parent.mkdir(parents=True, exist_ok=True)
        new = place().with_suffix(".new")
        new.write_text(json.dumps({"at": datetime.now(UTC).isoformat(), "checks": told}))
        new.replace(place())
    except OSError as error:
        logger.warning("what the doctor found is not kept: %s", error)


def recall(checks: Iterable[Check]) -> list[Answer]:
    """As they were told last; a note where nobody has asked yet."""
    try:
        kept = json.loads(place().read_text())
        at, told = datetime.fromisoformat(kept["at"]), kept["checks"]
        return [Answer(one, read(told.get(one.name)), kept_at=at) for one in checks]
    except (OSError, ValueError, TypeError, KeyError):
        return [Answer(one, read(None)) for one in checks]


def read(told: list[dict[str, str]] | None) -> list[Finding]:
    if told is None:
        return [note("Not asked yet.", "Look at everything.")]
    return [Finding(Level(one["level"]), one["sentence"], one["advice"]) for one in told]
