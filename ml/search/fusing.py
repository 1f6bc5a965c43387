"""One order from several: reciprocal rank fusion. Pure.

Cormack, Clarke and Büttcher, "Reciprocal Rank Fusion outperforms Condorcet and individual Rank Learning Methods",
SIGIR 2009. Ranks are added up and not scores, because those of a text search and cosines have no common measure.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from typing import Final, TypeVar

Key = TypeVar("Key", bound=Hashable)
SMOOTHING: Final = 60
"""The paper's k: with it the first places of a list do not outweigh agreement between lists."""


def fused(rankings: Iterable[Sequence[Key]], smoothing: int = SMOOTHING) -> list[tuple[Key, float]]:
    """Every key of the lists (best first in each) with the sum of 1 / (k + its place), the highest sum first.

    Of equals the one that was met first stays first.
    """
    scores: dict[Key, float] = defaultdict(float)
    for ranking in rankings:
        for place, key in enumerate(dict.fromkeys(ranking), start=1):
            scores[key] += 1 / (smoothing + place)
    return sorted(scores.items(), key=lambda pair: -pair[1])
