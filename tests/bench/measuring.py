"""What all benches share: figures out of samples, and the result that is printed and judged."""

import json
import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

median = statistics.median


@dataclass(frozen=True, slots=True)
class Result:
    """One promise. `ratio` is what is compared with `limit`; everything else measured is in `raw`."""

    name: str
    ratio: float
    limit: float
    higher_is_better: bool
    raw: dict[str, Any] = field(default_factory=dict)

    @property
    def kept(self) -> bool:
        return self.ratio >= self.limit if self.higher_is_better else self.ratio <= self.limit

    def as_json(self) -> str:
        return json.dumps(
            {
                "name": self.name,
                "ratio": round(self.ratio, 4),
                "limit": self.limit,
                "higher_is_better": self.higher_is_better,
                "raw": self.raw,
            }
        )


def percentile(samples: Iterable[float], percent: float) -> float:
    """The smallest sample that at least `percent` of all do not exceed (nearest rank)."""
    ordered = sorted(samples)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def in_ms(samples: Sequence[float]) -> dict[str, float]:
    """Seconds as a small table of milliseconds."""
    return {
        "samples": len(samples),
        "p50_ms": round(percentile(samples, 50) * 1000, 2),
        "p99_ms": round(percentile(samples, 99) * 1000, 2),
        "worst_ms": round(max(samples) * 1000, 2),
    }


def table(results: Sequence[Result]) -> str:
    """For people: a line for each promise, and what was measured under it."""
    lines = []
    for result in results:
        sign, word = (">=", "kept") if result.higher_is_better else ("<=", "kept")
        word = word if result.kept else "MISSED"
        lines.append(f"{result.name:<24} {result.ratio:>10.3f}  must be {sign} {result.limit:<8g} {word}")
        lines += [f"    {name}: {value}" for name, value in result.raw.items()]
    return "\n".join(lines)
