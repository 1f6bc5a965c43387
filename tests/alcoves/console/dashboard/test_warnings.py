"""Each rule of the dashboard: silent where all is well, and one sentence with a link where something is wrong."""

import inspect
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.urls import NoReverseMatch
from django.utils import timezone

from alcoves.alerts import rules
from alcoves.alerts.rules import Trouble, access, base, fleet, keeping, servers, work
from alcoves.alerts.rules import machine as machine_rules
from alcoves.backup.models import Look, Maintenance
from alcoves.console.dashboard import machine, warnings
from media import controls, workers
from media.audit import SYSTEM
from media.models import Library, Original
from media.tools import ffmpeg
from ml.models import Acceptance, Download
from ml.registry import licences, table
from tests.alcoves.console.dashboard import made_up
from tests.alcoves.console.dashboard.test_figures import report

pytestmark = pytest.mark.django_db
STRONG = "kJ2v9xQp-7Lm4RtZ8wYc1NbH6sDfG3aE5uTiO0"


@pytest.fixture(autouse=True)
def well(settings: Any, tmp_path: Path) -> None:
    settings.SECRET_KEY = STRONG
    settings.ALERT_WEBHOOK_URL = "https://hooks.example.org/"
    settings.ALERT_WEBHOOK_SECRET = "x" * 32
    settings.MODELS_PATH = tmp_path / "models"
    settings.DATA_PATH = tmp_path


def found(name: str) -> list[Trouble]:
    troubles = list({**rules.RULES, **warnings.RULES}[name]())
    for one in troubles:
        assert one.sentence.endswith(".")
        assert one.link.startswith("/admin/")
    return troubles


def only(name: str) -> Trouble:
    (one,) = found(name)
    return one


@pytest.mark.parametrize("name", list(warnings.RULES))
def test_where_all_is_well_nothing_is_said(db: None, name: str) -> None:
    assert found(name) == []


def test_pauses_by_whom_and_why(db: None) -> None:
    controls.pause("thumbnail", by=SYSTEM, reason="the disk is moved")
    controls.pause("heavy", by=SYSTEM)
    workers.write(report("all@here", seen=1))
    controls.drain("all@here", by=SYSTEM)
    lane, queue, worker = found("pauses")
    assert "The queue thumbnail was paused by system" in queue.sentence
    assert "the disk is moved" in queue.sentence
    assert "The lane heavy was paused" in lane.sentence
    assert "all@here was drained" in worker.sentence


def test_maintenance(db: None) -> None:
    Maintenance.objects.create(pk=1, on=True, reason="moving house", by="ann")
    assert "by ann: moving house" in only("maintenance").sentence


def test_an_image_cache_that_cannot_be_emptied(library: Library, settings: Any) -> None:
    settings.IMAGE_CACHE_MAX_BYTES = 100
    (original,) = made_up.originals(library, 1)
    original.cached_images.create(key="k", size=250, variants_version=2, used_at=timezone.now())
    assert only("image cache").link == "/admin/media/cachedimage/"


def test_files_set_aside(library: Library) -> None:
    made_up.originals(library, 3)
    Original.objects.update(held_at=timezone.now(), held_reason="odd")
    assert "3 originals are set aside" in only("files set aside").sentence


def test_more_are_set_aside_than_are_counted(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warnings, "MANY", 2)
    monkeypatch.setattr(base, "MANY", 2)
    made_up.originals(library, 3)
    Original.objects.update(held_at=timezone.now(), held_reason="odd")
    assert only("files set aside").sentence.startswith("over 2 originals are set aside")


def test_whatever_a_rule_links_is_there() -> None:
    named = set()
    for module in (access, fleet, keeping, machine_rules, servers, work, warnings):
        named |= set(re.findall(r'page\("(\w+)"\)', inspect.getsource(module)))
    assert named >= {"failures", "backups", "queues", "workers", "doctor", "settings"}
    for name in named:
        assert base.page(name).startswith("/admin/")
    with pytest.raises(NoReverseMatch):
        base.page("quarantine")


def test_a_model_that_a_library_wants(library: Library) -> None:
    spec = table.default_of("sounds")
    if licences.BY_ID[spec.licence].must_accept:
        Acceptance.objects.create(licence=spec.licence)
    Library.objects.update(audio_events=True)
    one = only("wanted models")
    assert one.key == "missing-model:sounds"
    Download.objects.create(pipeline="sounds", model=spec.id, name="x", state="running")
    assert found("wanted models") == []


def test_a_licence_that_nobody_accepted(library: Library) -> None:
    spec = table.default_of("faces")
    assert licences.BY_ID[spec.licence].must_accept
    Library.objects.update(faces=True)
    assert only("wanted models").key == f"licence:{spec.licence}"


def test_verification_that_is_overdue(library: Library, settings: Any) -> None:
    settings.VERIFY_DAYS = 7
    made_up.originals(library, 1)
    Original.objects.update(created_at=timezone.now() - timedelta(days=15))
    assert "was never verified" in only("verification").sentence
    Look.objects.create(state="done", finished_at=timezone.now(), deep=True)
    assert "was never verified" in only("verification").sentence
    about = {"state": "done", "finished_at": timezone.now() - timedelta(days=15), "whole": True}
    look = Look.objects.create(**about, deep=True)
    assert "15 days ago" in only("verification").sentence
    Look.objects.create(**{**about, "finished_at": timezone.now()})
    assert "was verified 15 days ago (0 seconds ago sizes were compared)" in only("verification").sentence
    Look.objects.filter(pk=look.pk).update(finished_at=timezone.now())
    assert found("verification") == []


def test_alerts_that_reach_nobody(db: None, settings: Any) -> None:
    settings.ALERT_WEBHOOK_URL = ""
    assert only("who is told").key == "alerts:nobody"
    settings.ALERTS_ENABLED = False
    assert found("who is told") == []


def test_what_ffmpeg_lacks(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    told = ffmpeg.capabilities()
    lacking = type(told)(**{**{name: getattr(told, name) for name in told.__slots__}, "lacks": ("zscale",)})
    monkeypatch.setattr(ffmpeg, "capabilities", lambda: lacking)
    assert "lacks zscale" in only("ffmpeg").sentence


def test_a_rule_that_fails_is_a_warning_and_stops_no_other(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> list[Trouble]:
        raise ZeroDivisionError

    controls.pause("heavy", by=SYSTEM)
    monkeypatch.setattr(warnings, "RULES", {"broken": fail, **warnings.RULES})
    keys = [one.key for one in warnings.check_all()]
    assert "rule:broken" in keys
    assert "paused:lane:heavy" in keys


def test_rules_that_come_too_late_say_so(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warnings, "BUDGET_SECONDS", -1)
    asked = {name for name in rules.RULES if name not in rules.MACHINE}
    assert {one.key for one in warnings.check_all()} >= {f"rule:{name}" for name in {*asked, *warnings.RULES}}


def test_the_worst_comes_first(db: None, settings: Any) -> None:
    settings.DEBUG = True
    controls.pause("heavy", by=SYSTEM)
    told = warnings.report()
    severities = [one["severity"] for one in told["warnings"]]
    assert severities == sorted(severities, key=lambda one: one != "critical")
    assert told["critical"] == severities.count("critical") >= 1


def test_what_alerts_look_for_is_there_too(library: Library) -> None:
    workers.write(report("all@gone", seen=300))
    keys = {one.key for one in warnings.check_all()}
    assert {"worker:all@gone"} <= keys


def test_nobody_waits_for_a_figure_of_the_machine(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> Any:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(machine, "disks", fail)
    told = machine.report()
    assert told["disks"] is None
    assert told["notes"] == ["disks cannot be asked: Input/output error."]
    assert told["redis"]
