"""`manage.py models`: look at the models, fetch, verify or bring them, accept licences, choose."""

import time
from argparse import ArgumentParser
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError

from media.errors import MediaError
from ml import selection
from ml.downloads import bringing, deciding, flow, following, ordering, verifying
from ml.downloads.flow import Outcome
from ml.models import Acceptance
from ml.registry import licences, places, table
from ml.registry.specs import MEGABYTE, PIPELINES, ModelSpec

PAUSE: Final = 1.0
"""Seconds between two looks whether another process has ended its download."""


class Command(BaseCommand):
    help = (
        "Models: list, download, verify, import (for machines without a way out), accept a licence, choose."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
        actions.add_parser("list", help="all models, their licences, and what is here")
        for name, text in (
            ("download", "fetch models now; without names, those that are chosen"),
            ("verify", "read every byte and compare digests; without names, all that are here"),
        ):
            action = actions.add_parser(name, help=text)
            action.add_argument("models", nargs="*", metavar="MODEL", help="id, pipeline/id, or a pipeline")
        actions.add_parser("import", help="take models from a disk").add_argument("path", metavar="PATH")
        accepting = actions.add_parser("accept", help="accept a licence for this installation")
        accepting.add_argument("licence", choices=sorted(licences.BY_ID), metavar="LICENCE")
        follower = actions.add_parser("follow", help="download what is asked for, until it is told to stop")
        follower.add_argument("--alive", type=Path, metavar="FILE", help="touched as long as it goes on")
        choosing = actions.add_parser("choose", help="use this model from now on")
        choosing.add_argument("pipeline", choices=PIPELINES, metavar="PIPELINE")
        choosing.add_argument("model", metavar="MODEL")
        choosing.add_argument("--language", help="what is spoken: a code, or auto")

    def handle(self, *args: Any, **options: Any) -> None:
        action = {
            "list": self.show,
            "download": self.download,
            "verify": self.verify,
            "import": self.bring,
            "accept": self.accept,
            "choose": self.choose,
            "follow": self.follow,
        }[options["action"]]
        try:
            action(options)
        except MediaError as error:
            raise CommandError(error.message) from error

    def show(self, options: dict[str, Any]) -> None:
        accepted = set(Acceptance.objects.values_list("licence", flat=True))
        for pipeline, (chosen, _) in selection.all_chosen().items():
            self.stdout.write(f"{pipeline}:")
            for spec in table.models_of(pipeline):
                mark = "*" if spec == chosen else " "
                self.stdout.write(
                    f" {mark} {spec.id:24} {spec.disk_bytes // MEGABYTE:5} MB  {state_of(spec):16} {spec.accuracy}"
                )
        for licence in licences.LICENCES:
            if licence.must_accept:
                state = "accepted" if licence.id in accepted else "NOT ACCEPTED"
                self.stdout.write(f"{licence.id}: {state}. {licence.terms} {licence.url}")

    def download(self, options: dict[str, Any]) -> None:
        for spec in named(options["models"]) or [spec for spec, _ in selection.all_chosen().values()]:
            table.available_model(spec.pipeline, spec.id)
            while flow.ensure(spec, shown=self.tell) is Outcome.TAKEN:
                self.stdout.write("Another process is downloading. This begins when it has ended.")
                time.sleep(PAUSE)
            self.stdout.write(f"{spec.id} is here.")
        ordering.send_next()

    def tell(self, name: str, done: int, total: int | None) -> None:
        of = f" of {total / MEGABYTE:.1f}" if total else ""
        self.stdout.write(f"{name}: {done / MEGABYTE:.1f}{of} MB")

    def verify(self, options: dict[str, Any]) -> None:
        words = {
            "good": "as it came",
            "noted": "not known before; its digest is kept and compared from now on",
            "changed": "CHANGED since it came: remove it and download it again",
            "missing": "not here",
        }
        specs = tuple(named(options["models"]))
        found = verifying.verify(specs) if specs else verifying.verify_all()
        for one in found:
            self.stdout.write(f"{one.name}: {words[one.verdict]}")
        bad = sum(one.verdict in {"changed", "missing"} for one in found)
        if bad:
            raise CommandError(f"{bad} of {len(found)} files are not as they should be.")

    def bring(self, options: dict[str, Any]) -> None:
        found = bringing.bring(Path(options["path"]).expanduser().resolve())
        for name in found.unknown:
            self.stdout.write(f"{name}: no model of ours, left alone")
        for name in found.taken:
            self.stdout.write(f"{name}: taken")
        for spec in found.complete:
            self.stdout.write(f"{spec.id} is complete.")
        if not found.taken:
            raise CommandError("Nothing was taken. `manage.py models list` tells which models there are.")

    def follow(self, options: dict[str, Any]) -> None:
        alive: Path | None = options["alive"]
        following.follow(alive.touch if alive else lambda: None)

    def accept(self, options: dict[str, Any]) -> None:
        licence = licences.BY_ID[options["licence"]]
        deciding.accept(licence.id)
        self.stdout.write(f"{licence.title} is accepted. {licence.terms} {licence.url}")

    def choose(self, options: dict[str, Any]) -> None:
        spec = deciding.choose(options["pipeline"], options["model"], language=options["language"])
        self.stdout.write(f"{options['pipeline']}: {spec.title} from now on, {state_of(spec)}.")


def state_of(spec: ModelSpec) -> str:
    missing = places.missing(spec)
    if not missing:
        return "here"
    if len(missing) < len(places.wanted_files(spec)):
        return "partly here"
    return "not here" if spec.available else "on no mirror"


def named(words: Iterable[str]) -> list[ModelSpec]:
    """CommandError for a name that no model has, or that several have."""
    return [find(word) for word in words]


def find(word: str) -> ModelSpec:
    if whole := table.find_pipeline(word):
        return selection.chosen(whole)
    pipeline, _, model = word.rpartition("/")
    rows = [spec for spec in table.all_models() if spec.id == model and pipeline in {"", spec.pipeline}]
    if not rows:
        raise CommandError(f"There is no model {word}. `manage.py models list` tells which there are.")
    if len(rows) > 1:
        raise CommandError(f"Several models are named {word}. Say for what: {rows[0].pipeline}/{word}.")
    return rows[0]
