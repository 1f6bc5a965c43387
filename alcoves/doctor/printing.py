"""The doctor's page in a terminal, as plain text, and as JSON."""

import json
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any, Final

from alcoves.doctor.examining import Answer, worst
from alcoves.doctor.findings import Finding, Level
from alcoves.wording import counted

COLORS: Final = {Level.OK: "green", Level.NOTE: "cyan", Level.WARNING: "yellow", Level.FAILURE: "bold red"}


def lines(answers: Iterable[Answer]) -> Iterator[tuple[Answer, Finding]]:
    """Worst first within a check."""
    for answer in answers:
        for finding in sorted(answer.findings, key=lambda one: -list(COLORS).index(one.level)):
            yield answer, finding


def plain(answers: list[Answer]) -> str:
    """For files, pipes and mail."""
    text = []
    for group, members in groupby(answers, key=lambda answer: answer.check.group):
        text.append(f"\n{group}")
        for answer, finding in lines(members):
            advice = f" {finding.advice}" if finding.advice else ""
            text.append(f"  {finding.level:<8} {answer.check.name}: {finding.sentence}{advice}")
    return "\n".join([*text, "", summary(answers)]).lstrip()


def summary(answers: list[Answer]) -> str:
    found = [finding.level for _, finding in lines(answers)]
    failures, warnings = found.count(Level.FAILURE), found.count(Level.WARNING)
    if not failures and not warnings:
        return "All is well."
    return f"{counted(failures, 'failure')}, {counted(warnings, 'warning')}."


def table(answers: list[Answer]) -> Any:
    """For rich."""
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=None, pad_edge=False, show_header=False)
    for name in ("level", "check", "sentence"):
        drawn.add_column(name, no_wrap=name != "sentence", overflow="fold")
    for group, members in groupby(answers, key=lambda answer: answer.check.group):
        drawn.add_row("", Text(group, style="bold"), "")
        for answer, finding in lines(members):
            said = Text(finding.sentence)
            if finding.advice:
                said.append(f"\n{finding.advice}", style="bold")
            drawn.add_row(Text(finding.level, style=COLORS[finding.level]), answer.check.name, said)
    return drawn


def as_json(answers: list[Answer]) -> str:
    told = {
        "level": worst(answers),
        "checks": [
            {
                "name": answer.check.name,
                "group": answer.check.group,
                "level": answer.level,
                "milliseconds": answer.milliseconds,
                "findings": [
                    {"level": one.level, "sentence": one.sentence, "advice": one.advice}
                    for one in answer.findings
                ],
            }
            for answer in answers
        ],
    }
    return json.dumps(told, indent=2)
