"""Everything that is wrong now, worst first: what alerts tell, and what only those need who look at the console."""

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from django.utils import timezone

from alcoves.alerts import rules
from alcoves.alerts.rules import access
from alcoves.alerts.rules import machine as rules_of_machine
from alcoves.alerts.rules.base import MANY, Rule, Severity, Trouble, age, counted, page, rows, used_since
from alcoves.alerts.rules.kept import Kept
from alcoves.backup.models import Look, Maintenance
from alcoves.console.dashboard import machine
from alcoves.wording import are
from media import live, tallies
from media.models import Control, Library, Original, tally
from media.models.control import ControlKind
from media.models.library import FIELD_OF
from ml import selection
from ml.models import Download
from ml.registry import licences, places

BUDGET_SECONDS: Final = 5.0
"""For all rules together, those of alerts too; those that come after say that they were not asked."""
SWITCH_OF: Final = {
    "faces": "faces",
    "objects": "objects",
    "sounds": "audio_events",
    "speech": "transcripts",
    "search": "semantic",
}


def report() -> dict[str, Any]:
    """For the panel and the API."""
    found = kept.get()
    return {
        "warnings": [
            {"key": one.key, "severity": one.severity, "sentence": one.sentence, "link": one.link}
            for one in found
        ],
        "critical": sum(one.severity == Severity.CRITICAL for one in found),
    }


def check_all() -> list[Trouble]:
    """Worst first. While Postgres is away nothing is said of what only it knows."""
    until = time.monotonic() + BUDGET_SECONDS
    found = rules.check_all(until)
    if not any(one.key == rules.POSTGRES for one in found):
        for name, rule in RULES.items():
            found += rules.asked(name, rule) if time.monotonic() < until else [rules.late(name)]
    return sorted(found, key=lambda one: (one.severity != Severity.CRITICAL, one.key))


KEPT_SECONDS: Final = 3.0
kept: Final = Kept(check_all, KEPT_SECONDS)
"""Many pages that are open ask once."""


def paused() -> Iterator[Trouble]:
    """Queues, lanes and workers that somebody has stopped."""
    for row in Control.objects.filter(paused=True).exclude(kind=ControlKind.ALL).order_by("kind", "name"):
        verb = "drained" if row.kind == ControlKind.WORKER else "paused"
        when = f" {age(row.set_at)} ago" if row.set_at else ""
        why = f": {row.reason}" if row.reason else ""
        yield Trouble(
            f"paused:{row.kind}:{row.name}",
            Severity.WARNING,
            f"The {row.kind} {row.name} was {verb} by {row.set_by or 'somebody'}{when}{why}. "
            f"{'Release' if verb == 'drained' else 'Resume'} it when that is over.",
            page("workers" if row.kind == ControlKind.WORKER else "queues"),
        )


def maintenance() -> Iterator[Trouble]:
    """People are shut out."""
    row = Maintenance.objects.filter(pk=1, on=True).first()
    if row is not None:
        yield Trouble(
            "maintenance",
            Severity.WARNING,
            f"Maintenance is on since {age(row.since)}, by {row.by or 'somebody'}"
            f"{f': {row.reason}' if row.reason else ''}. People cannot work; end it when you are done.",
            page("backups"),
        )


def image_cache() -> Iterator[Trouble]:
    """What may never be evicted is more than the cap."""
    told = machine.image_cache()
    if told["kept"] > told["limit"]:
        yield Trouble(
            "image-cache",
            Severity.WARNING,
            f"Sizes of pictures that are never evicted take {told['kept'] >> 20} MB, more than the cap of "
            f"{told['limit'] >> 20} MB. Raise the cap or empty the trash.",
            rows("media.cachedimage"),
        )


def held() -> Iterator[Trouble]:
    """Files that a person has set aside."""
    count = Original.objects.filter(held_at__isnull=False)[: MANY + 1].count()
    if count:
        yield Trouble(
            "held",
            Severity.WARNING,
            f"{counted(count, 'original')} {are(count)} set aside: not worked on, and not shown. "
            "Look at them, then release or purge them.",
            rows("media.original", held="yes"),
        )


def failed() -> Iterator[Trouble]:
    """Jobs that have failed and that nobody has accepted, also where they are too few for an alert.

    From counts that are kept.
    """
    accepted = Counter({one.keys[0]: one.number for one in tallies.told(tally.ACCEPTED, 0)})
    every = Counter(
        {one.keys[0]: one.number for one in tallies.told(tally.DERIVATIVES, 0, 1) if one.keys[1] == "failed"}
    )
    if numbers := every - accepted:
        deriver, most = max(numbers.items(), key=lambda item: item[1])
        number = numbers.total()
        others = f" {accepted.total()} more are accepted." if accepted.total() else ""
        yield Trouble(
            "failed",
            Severity.WARNING,
            f"{number} job{' has' if number == 1 else 's have'} failed, the largest group is {deriver} ({most}). "
            f"See why, mend the cause, and reprocess them, or accept them.{others}",
            page("failures"),
        )


def models() -> Iterator[Trouble]:
    """A library wants what a model finds, and the model is not here and not on its way."""
    wanted = Library.objects.values_list(*FIELD_OF.values()).distinct()
    on = {name for row in wanted for name, value in zip(FIELD_OF, row, strict=True) if value}
    for pipeline, (spec, _) in selection.all_chosen().items():
        if SWITCH_OF.get(pipeline) not in on or not places.missing(spec):
            continue
        if not selection.may_fetch(spec):
            licence = licences.BY_ID[spec.licence].title
            yield Trouble(
                f"licence:{spec.licence}",
                Severity.WARNING,
                f"{spec.title} waits until somebody accepts its licence ({licence}): {pipeline} finds nothing yet.",
                page("models"),
            )
        elif not Download.objects.filter(
            pipeline=pipeline, state__in=("queued", "running", "failed")
        ).exists():
            yield Trouble(
                f"missing-model:{pipeline}",
                Severity.WARNING,
                f"{spec.title} is not on this machine, and not on its way: {pipeline} finds nothing yet. Download it.",
                page("models"),
            )


def verification() -> Iterator[Trouble]:
    """For long nobody has read whether all bytes are as they were. Of a part it says nothing of the rest."""
    days = int(live.value("VERIFY_DAYS"))
    read, since = last_of(Look.objects.verified()), timezone.now() - timedelta(days=2 * days)
    if not days or (read is not None and read > since) or (read is None and not used_since(since)):
        return
    when = f"was verified {age(read)} ago" if read else "was never verified"
    sizes = last_of(Look.objects.whole().filter(deep=False))
    if sizes is not None and (read is None or sizes > read):
        when += f" ({age(sizes)} ago sizes were compared)"
    sentence = f"What lies in the stores {when}; it is to be read every {days} days. Read every byte now."
    yield Trouble("verification", Severity.WARNING, sentence, page("backups"))


def last_of(looks: Any) -> datetime | None:
    when: datetime | None = looks.values_list("finished_at", flat=True).first()
    return when


RULES: Final[Mapping[str, Rule]] = {
    "maintenance": maintenance,
    "pauses": paused,
    "image cache": image_cache,
    "files set aside": held,
    "failed jobs": failed,
    "wanted models": models,
    "verification": verification,
    "who is told": access.nobody_told,
    "ffmpeg": rules_of_machine.tools,
}
"""Beside those of alerts: what somebody has done on purpose, or need not hurry with."""
