"""As much of Prometheus' language as the rules of deploy/ speak, over samples that a test makes up.

What it does not know it refuses. Rates are without the extrapolation of Prometheus: the difference over the window,
with resets of counters.
"""

import math
import operator
import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, TypeAlias

Labels: TypeAlias = frozenset[tuple[str, str]]
Vector: TypeAlias = dict[Labels, float]
Value: TypeAlias = "float | Vector"

TOKEN: Final = re.compile(
    r"""\s*("[^"]*"|\d+(?:\.\d+)?(?:e\d+)?[smhd]?|[a-zA-Z_][a-zA-Z0-9_]*|[=!]~|[=!<>]=|[-+*/(){}\[\],=<>])"""
)
SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
LEVELS: Final[Mapping[str, int]] = {
    "or": 1,
    **dict.fromkeys(("and", "unless"), 2),
    **dict.fromkeys(("==", "!=", ">", "<", ">=", "<="), 3),
    **dict.fromkeys("+-", 4),
    **dict.fromkeys("*/", 5),
}
COMPARE: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "==": operator.eq, "!=": operator.ne, ">": operator.gt, "<": operator.lt, ">=": operator.ge, "<=": operator.le,
}  # fmt: skip
COUNT: Final[Mapping[str, Callable[[float, float], float]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": lambda left, right: left / right if right else math.nan,
}
GATHER: Final[Mapping[str, Callable[[list[float]], float]]] = {"sum": sum, "max": max, "min": min}
STALE: Final = 300


@dataclass
class Series:
    """What was scraped: by name and labels, values at their times, in seconds."""

    samples: dict[tuple[str, Labels], list[tuple[float, float]]]

    def between(self, name: str, matches: Callable[[Labels], bool], since: float, until: float) -> Any:
        for (known, labels), points in self.samples.items():
            inside = [value for at, value in points if since < at <= until]
            if known == name and inside and matches(labels):
                yield labels, inside


def ask(expression: str, series: Series, now: float) -> Value:
    asked = Question(TOKEN.findall(expression), series, now)
    if "".join(asked.tokens) != re.sub(r"\s", "", expression):
        raise ValueError(f"There are letters in it that nobody knows: {expression}")
    found = asked.level(0)
    if asked.tokens:
        raise ValueError(f"Nobody reads {asked.tokens}.")
    return found


@dataclass
class Question:
    tokens: list[str]
    series: Series
    now: float

    def take(self, *wanted: str) -> str:
        found = self.tokens.pop(0)
        if wanted and found not in wanted:
            raise ValueError(f"{found} stands where one of {wanted} is to be.")
        return found

    def next(self) -> str:
        return self.tokens[0] if self.tokens else ""

    def level(self, lowest: int) -> Value:
        left = self.one()
        while LEVELS.get(self.next(), 0) > lowest:
            sign = self.take()
            alike = self.names("on")
            left = combine(sign, left, self.level(LEVELS[sign]), alike)
        return left

    def names(self, word: str) -> set[str] | None:
        """`on (a, b)` or `by (a, b)`, where it stands here."""
        if self.next() != word:
            return None
        self.take(word)
        self.take("(")
        found = set()
        while (name := self.take()) != ")":
            found |= {name} - {","}
        return found

    def one(self) -> Value:
        word = self.take()
        if word == "(":
            found = self.level(0)
            self.take(")")
            return found
        if word[0].isdigit():
            return float(word)
        if word in GATHER:
            by = self.names("by") or set()
            return gather(GATHER[word], vector(self.inside()), by)
        if word in CALLS:
            return CALLS[word](self)
        return self.selected(word)

    def inside(self) -> Value:
        self.take("(")
        found = self.level(0)
        self.take(")")
        return found

    def selected(self, name: str) -> Vector:
        found = self.series.between(name, self.matching(), self.now - STALE, self.now)
        return {labels: values[-1] for labels, values in found}

    def matching(self) -> Callable[[Labels], bool]:
        tests: list[Callable[[Labels], bool]] = []
        if self.next() == "{":
            self.take("{")
            while self.next() != "}":
                label, sign, text = self.take(), self.take("=", "!=", "=~", "!~"), self.take().strip('"')
                tests.append(matcher(label, sign, text))
                if self.next() == ",":
                    self.take(",")
            self.take("}")
        return lambda labels: all(test(labels) for test in tests)

    def window(self) -> tuple[list[tuple[Labels, list[float]]], float]:
        self.take("(")
        name, matches = self.take(), self.matching()
        self.take("[")
        span = self.take()
        self.take("]")
        self.take(")")
        seconds = float(span[:-1]) * SECONDS[span[-1]]
        return list(self.series.between(name, matches, self.now - seconds, self.now)), seconds


def matcher(label: str, sign: str, text: str) -> Callable[[Labels], bool]:
    pattern = re.compile(text if "~" in sign else re.escape(text))
    return lambda labels: bool(pattern.fullmatch(dict(labels).get(label, ""))) != sign.startswith("!")


def vector(value: Value) -> Vector:
    return value if isinstance(value, dict) else {frozenset(): value}


def gather(of: Callable[[list[float]], float], values: Vector, by: set[str]) -> Vector:
    groups: dict[Labels, list[float]] = defaultdict(list)
    for labels, value in values.items():
        groups[kept(labels, by)].append(value)
    return {labels: of(some) for labels, some in groups.items()}


def kept(labels: Labels, names: set[str] | None) -> Labels:
    return labels if names is None else frozenset(pair for pair in labels if pair[0] in names)


def combine(sign: str, left: Value, right: Value, alike: set[str] | None) -> Value:
    if sign == "or":
        return {**vector(right), **vector(left)} if alike is None else refuse(sign)
    if sign in {"and", "unless"}:
        there = {kept(labels, alike) for labels in vector(right)}
        return {
            labels: value
            for labels, value in vector(left).items()
            if (kept(labels, alike) in there) == (sign == "and")
        }
    scalar = not isinstance(left, dict) and not isinstance(right, dict)
    found = {
        labels: COUNT[sign](one, other) if sign in COUNT else one
        for labels, one, other in pairs(left, right, alike)
        if sign in COUNT or COMPARE[sign](one, other)
    }
    return found[frozenset()] if scalar else found


def refuse(what: str) -> Value:
    raise ValueError(f"{what} is not spoken here so.")


def pairs(left: Value, right: Value, alike: set[str] | None) -> list[tuple[Labels, float, float]]:
    """A number goes with each; two vectors go together where their labels are the same."""
    if not isinstance(left, dict):
        return [(labels, left, other) for labels, other in vector(right).items()]
    if not isinstance(right, dict):
        return [(labels, one, right) for labels, one in left.items()]
    others = {kept(labels, alike): other for labels, other in right.items()}
    return [
        (labels, one, others[key]) for labels, one in left.items() if (key := kept(labels, alike)) in others
    ]


def increase(question: Question, *, each_second: bool) -> Vector:
    found, seconds = question.window()
    grown = {
        labels: sum(max(0.0, after - before) for before, after in pairwise(values))
        for labels, values in found
        if len(values) > 1
    }
    return {labels: value / (seconds if each_second else 1) for labels, value in grown.items()}


def time_now(question: Question) -> float:
    question.take("(")
    question.take(")")
    return question.now


def absent(question: Question) -> Vector:
    return {} if vector(question.inside()) else {frozenset(): 1.0}


def quantile(question: Question) -> Vector:
    """The bound of the bucket in which it lies: what is compared with a limit needs no more."""
    question.take("(")
    share = float(question.take())
    question.take(",")
    buckets = vector(question.level(0))
    question.take(")")
    bounds = sorted((float(dict(labels)["le"]), value) for labels, value in buckets.items())
    if not bounds or not bounds[-1][1]:
        return {}
    return {frozenset(): next(bound for bound, value in bounds if value >= share * bounds[-1][1])}


CALLS: Final[Mapping[str, Callable[[Question], Value]]] = {
    "rate": lambda question: increase(question, each_second=True),
    "increase": lambda question: increase(question, each_second=False),
    "time": time_now,
    "absent": absent,
    "vector": lambda question: vector(question.inside()),
    "histogram_quantile": quantile,
}
