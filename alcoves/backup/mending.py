"""Repairs what was found: makes it anew, brings it back from a backup, or leaves it to the sweeper."""

import logging
from typing import Final

from django.conf import settings
from django.utils import timezone

from alcoves.backup import sealing, sets, targets
from alcoves.backup.errors import BackupError
from alcoves.backup.models import Finding
from alcoves.backup.sealing import Plain
from media import orphans, reprocess
from media.models import Derivative, UnnamedBlob
from media.models.derivative import GIVEN
from storage.errors import StoreError
from storage.registry import get_store

logger = logging.getLogger(__name__)
BATCH: Final = 1000
NOWHERE: Final = "No backup of the targets has these bytes. Bring the file back by hand and look again."


def mend(finding: Finding) -> bool:
    """Whether something could be done. The finding says what."""
    if finding.kind == Finding.Kind.ORPHANED:
        UnnamedBlob.objects.enter([finding.key], due=orphans.GRACE, store=finding.store)
        return done(finding, f"It is swept in {orphans.GRACE.days} days.")
    if finding.what == Finding.What.OUTPUT and can_be_made(finding):
        return make_again(finding)
    return bring_back(finding)


def can_be_made(finding: Finding) -> bool:
    rows = Derivative.objects.filter(pk__in=[finding.derivative])
    variant = rows.values_list("variant", flat=True).first()
    return variant is None or not variant.startswith(GIVEN)


def make_again(finding: Finding) -> bool:
    count = reprocess.request([finding.derivative]) if finding.derivative else 0
    if not count:
        return done(finding, "Nothing names it any more.")
    return done(finding, "It is made anew by the workers.", state=Finding.State.REPAIRING)


def bring_back(finding: Finding) -> bool:
    if not finding.sha256_expected or finding.size_expected is None:
        return leave(finding, "Its checksum was never known, so no backup can be asked for it.")
    for name in targets.named():
        try:
            if brought_from(name, finding):
                return done(finding, f"Its bytes came back from the target {name}.")
        except (BackupError, StoreError) as error:
            logger.warning("the target %s cannot help: %s", name, error)
    return leave(finding, NOWHERE)


def brought_from(name: str, finding: Finding) -> bool:
    """From its pool, encrypted or plain; only the right bytes are let in."""
    store = targets.get(name).store
    size = finding.size_expected
    seals = [Plain()]
    if settings.BACKUP_PASSPHRASE and (sealed := sealing.find(store, settings.BACKUP_PASSPHRASE)):
        seals.insert(0, sealed)
    for seal in seals:
        key = sets.pool_key(seal, finding.sha256_expected)
        if next(iter(store.iterate(key)), None) is None:
            continue
        chunks = seal.unwrap(sets.stored_chunks(store, key))
        get_store(finding.store).put(finding.key, chunks, size=size, sha256=finding.sha256_expected)
        return True
    return False


def enter_orphans() -> int:
    """All that is found and open, into the register of the sweeper."""
    rows = Finding.objects.filter(kind=Finding.Kind.ORPHANED, state=Finding.State.OPEN).order_by("pk")
    count = 0
    while batch := list(rows[:BATCH]):
        UnnamedBlob.objects.enter([row.key for row in batch], due=orphans.GRACE)
        text = f"It is swept in {orphans.GRACE.days} days."
        Finding.objects.filter(pk__in=[row.pk for row in batch]).update(
            state=Finding.State.REPAIRED, repaired_at=timezone.now(), text=text
        )
        count += len(batch)
    return count


def done(finding: Finding, text: str, *, state: str = Finding.State.REPAIRED) -> bool:
    repaired_at = timezone.now() if state == Finding.State.REPAIRED else None
    Finding.objects.filter(pk=finding.pk).update(state=state, text=text, repaired_at=repaired_at)
    return True


def leave(finding: Finding, text: str) -> bool:
    Finding.objects.filter(pk=finding.pk).update(text=text)
    return False
