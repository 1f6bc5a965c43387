"""Faces of people that do not exist: unit vectors around a direction for each person, as recognition models make them.

Two faces of one person have a cosine of about a * b, where a and b, how well each shows its person, are drawn evenly
from sqrt(0.4) to sqrt(0.8): so cosines of one person are 0.4 to 0.8, and those of two people about 0.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

DIMENSIONS: Final = 512
LEAST, MOST = 0.4, 0.8
BLOCK: Final = 50_000

Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Crowd:
    """`vectors` are faces x 512; `identities` says whose each is, `pictures` in which picture it is seen."""

    vectors: Vectors
    identities: NDArray[np.int64]
    pictures: NDArray[np.int64]


def crowd(people: int, faces: int, seed: int) -> Crowd:
    """As many faces for each person on average; one to three people in a picture, never one of them twice."""
    draw = np.random.default_rng(seed)
    directions = unit(draw.standard_normal((people, DIMENSIONS), dtype=np.float32))
    identities = np.concatenate([draw.permutation(people) for _ in range(faces // people + 1)])[:faces]
    vectors = np.empty((faces, DIMENSIONS), dtype=np.float32)
    for start in range(0, faces, BLOCK):
        part = slice(start, min(start + BLOCK, faces))
        likeness = draw.uniform(np.sqrt(LEAST), np.sqrt(MOST), (part.stop - start, 1)).astype(np.float32)
        noise = unit(draw.standard_normal((part.stop - start, DIMENSIONS), dtype=np.float32))
        own = directions[identities[part]]
        noise -= (noise * own).sum(axis=1, keepdims=True) * own
        vectors[part] = likeness * own + np.sqrt(1 - likeness**2) * unit(noise)
    pictures = np.repeat(np.arange(faces), draw.integers(1, 4, faces))[:faces]
    return Crowd(vectors, identities, once_in_each(pictures, identities))


def unit(vectors: Vectors) -> Vectors:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)


def once_in_each(pictures: NDArray[np.int64], identities: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where a person would be seen twice in a picture, the second face has a picture of its own."""
    seen: set[tuple[int, int]] = set()
    found = pictures.copy()
    spare = int(pictures.max()) + 1
    for number, pair in enumerate(zip(pictures.tolist(), identities.tolist(), strict=True)):
        if pair in seen:
            found[number] = spare
            spare += 1
        seen.add(pair)
    return found


def same_person_cosines(of: Crowd, samples: int = 20_000, seed: int = 1) -> dict[str, float]:
    """Percentiles over pairs of one person's faces."""
    draw = np.random.default_rng(seed)
    order = np.argsort(of.identities, kind="stable")
    first = draw.integers(0, len(order) - 1, samples)
    same = of.identities[order[first]] == of.identities[order[first + 1]]
    one, other = order[first[same]], order[first[same] + 1]
    cosines = (of.vectors[one] * of.vectors[other]).sum(axis=1)
    return {f"p{part}": round(float(np.percentile(cosines, part)), 3) for part in (1, 50, 99)}


@dataclass(frozen=True, slots=True)
class Agreement:
    """How a clustering agrees with the truth. Pairwise: of all pairs of faces. BCubed: for the average face."""

    precision: float
    recall: float
    f1: float
    bcubed: float
    groups: int
    alone: int

    def told(self) -> dict[str, Any]:
        return {
            name: round(value, 4) for name in self.__slots__ if (value := getattr(self, name)) is not None
        }


def agreement(identities: Sequence[int], found: Sequence[Any]) -> Agreement:
    """`found` names the group of each face; None is a face by itself. BCubed by Bagga and Baldwin (1998)."""
    groups = [("alone", number) if group is None else group for number, group in enumerate(found)]
    cells = Counter(zip(identities, groups, strict=True))
    truth, guessed = Counter(identities), Counter(groups)
    both = pairs(cells.values())
    precision = both / max(1, pairs(guessed.values()))
    recall = both / max(1, pairs(truth.values()))
    total = len(groups)
    sharp = sum(count**2 / guessed[group] for (_, group), count in cells.items()) / total
    whole = sum(count**2 / truth[identity] for (identity, _), count in cells.items()) / total
    return Agreement(
        precision=precision,
        recall=recall,
        f1=harmonic(precision, recall),
        bcubed=harmonic(sharp, whole),
        groups=len({group for group in found if group is not None}),
        alone=sum(group is None for group in found),
    )


def pairs(counts: Any) -> int:
    return sum(count * (count - 1) // 2 for count in counts)


def harmonic(one: float, other: float) -> float:
    return 2 * one * other / (one + other) if one + other else 0.0
