"""Pictures that are nearly the same, for review: groups page by page, what users decide of them, and what to keep.

A group is what hangs together by open pairs (`ml.search.pairing` has found them). Its newest picture stands for it,
so groups come newest first and a page begins where the last one ended, whatever was decided meanwhile. Nothing is
deleted here: users put copies into the trash as they do with any file, and the group is gone. Files of the same bytes
are `ml.search.copies`; `ml.search.reviewing` tells both.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from media.models import File, Library
from ml.models import PictureEmbedding, SimilarDecision, SimilarPair
from ml.search import pairing
from ml.search.changing import answering_id
from ml.search.pairing import LOOSEST

DISTANCE: Final = 0.03
"""Cosine distance up to which pictures count as copies, where nobody asks for another."""
BITS: Final = 6
STEPS: Final = (0.005, 0.01, 0.02, 0.03, 0.05, 0.07, LOOSEST)
"""Distances of which a preview tells how much they find."""
LOOK: Final = 200
"""Pictures that are looked at at once for those that may stand for a group."""
LOOKS_MOST: Final = 10
"""For one page: more are looked at for the next one. Pairs of what is in the trash may stand in between."""
LINKS_MOST: Final = 5000
"""Pairs that are followed for one page. A group that has more is told as far as it was followed."""
DECIDED_MOST: Final = 100
"""Files of one decision: every two of them are remembered."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How alike two pictures must be to be shown."""

    distance: float = DISTANCE
    bits: int = BITS


@dataclass(frozen=True, slots=True)
class Link:
    """An open pair, by embeddings."""

    first: UUID
    second: UUID
    distance: float
    bits: int


@dataclass(slots=True)
class Group:
    """`id` is the embedding of its newest picture. `originals`: the newest first, each with its nearest copy's link."""

    id: UUID
    originals: dict[UUID, Link] = field(default_factory=dict)
    cut: bool = False
    """There is more that hangs together with it than was followed."""
    exact: bool = False
    """Its files have the same bytes; `id` is that of their original."""


def open_pairs(library: Library, limits: Limits) -> Any:
    """Both are shown by a live file, and not as parts of one stack: a RAW and its JPEG are meant to be alike."""
    return near_enough(library, limits).filter(
        ~Exists(stacked()), Exists(live("first")), Exists(live("second"))
    )


def near_enough(library: Library, limits: Limits) -> Any:
    """To the model that answers: while another one looks at all, each pair would be told twice."""
    return SimilarPair.objects.filter(
        library=library,
        model=answering_id(),
        distance__lte=limits.distance,
        bits__lte=limits.bits,
    )


def live(side: str) -> QuerySet[File]:
    files: QuerySet[File] = File.objects.live().filter(
        original=OuterRef(f"{side}__original"), original__held_at=None
    )
    return files


def stacked() -> QuerySet[File]:
    """A file of the first that lies in one stack with a file of the second."""
    together = {"trashed_at": None, "original": OuterRef("second__original")}
    return live("first").filter(
        stack__primary__isnull=False, **{f"stack__members__{name}": value for name, value in together.items()}
    )


def page(library: Library, limits: Limits, after: UUID | None, limit: int) -> tuple[list[Group], UUID | None]:
    """So many groups at most, the newest first, and the place from which the next page goes on.

    A page may be shorter than asked for, or empty, and still not be the last.
    """
    pairs = open_pairs(library, limits)
    leaders: list[UUID] = []
    for _ in range(LOOKS_MOST):
        pictures = with_an_older_one(library, limits, after)
        leaders += leading(pairs, pictures)
        if len(leaders) > limit:
            return groups_of(pairs, leaders[:limit]), leaders[limit - 1]
        after = pictures[-1] if len(pictures) == LOOK else None
        if after is None:
            break
    return groups_of(pairs, leaders), after


def with_an_older_one(library: Library, limits: Limits, after: UUID | None) -> list[UUID]:
    """The next pictures of which any pair tells, open or not, the newest first: by an index alone, however many."""
    rows = near_enough(library, limits).filter(**older_than(after))
    return list(rows.order_by("-second").values_list("second", flat=True).distinct()[:LOOK])


def older_than(after: UUID | None) -> dict[str, Any]:
    return {} if after is None else {"second__lt": after}


def leading(pairs: Any, pictures: Sequence[UUID]) -> list[UUID]:
    """Those of them that have an open pair with an older picture and none with a newer one, in their order."""
    links = pairs.filter(Q(first__in=pictures) | Q(second__in=pictures)).values_list("first", "second")
    older, later = set[UUID](), set[UUID]()
    for first, second in links:
        later.add(first)
        older.add(second)
    return [key for key in pictures if key in older and key not in later]


def groups_of(pairs: Any, leaders: Sequence[UUID]) -> list[Group]:
    """Of pictures that have no newer copy, those that are the newest of all that hangs together with them."""
    links, cut = followed(pairs, leaders)
    parts = components(links)
    newest = {key: max(part) for part in parts for key in part}
    chosen = [leader for leader in leaders if newest.get(leader) == leader]
    shown = originals_of(key for part in parts if max(part) in chosen for key in part)
    nearest = nearest_links(links)
    by_leader = {max(part): part for part in parts}
    return [
        Group(
            leader,
            {shown[key]: nearest[key] for key in sorted(by_leader[leader], reverse=True) if key in shown},
            cut,
        )
        for leader in chosen
    ]


def followed(pairs: Any, start: Collection[UUID]) -> tuple[set[Link], bool]:
    """All pairs that hang together with these, step by step; whether there were too many."""
    links: set[Link] = set()
    seen, edge = set(start), set(start)
    while edge and len(links) < LINKS_MOST:
        rows = pairs.filter(Q(first__in=edge) | Q(second__in=edge))
        found = rows.values_list("first", "second", "distance", "bits")[:LINKS_MOST]
        new = {Link(*row) for row in found} - links
        links |= new
        edge = {key for link in new for key in (link.first, link.second)} - seen
        seen |= edge
    return links, len(links) >= LINKS_MOST


def components(links: Iterable[Link]) -> list[set[UUID]]:
    """What hangs together."""
    neighbours: dict[UUID, set[UUID]] = defaultdict(set)
    for link in links:
        neighbours[link.first].add(link.second)
        neighbours[link.second].add(link.first)
    found: list[set[UUID]] = []
    left = set(neighbours)
    while left:
        part, waiting = set[UUID](), [left.pop()]
        while waiting:
            key = waiting.pop()
            part.add(key)
            waiting.extend(neighbours[key] - part)
        left -= part
        found.append(part)
    return found


def nearest_links(links: Iterable[Link]) -> dict[UUID, Link]:
    """For each picture the pair with the one it is most like."""
    found: dict[UUID, Link] = {}
    for link in sorted(links, key=lambda one: (one.distance, one.bits)):
        found.setdefault(link.first, link)
        found.setdefault(link.second, link)
    return found


def originals_of(keys: Iterable[UUID]) -> dict[UUID, UUID]:
    rows = PictureEmbedding.objects.filter(pk__in=list(keys))
    return dict(rows.values_list("pk", "original_id"))


def preview(library: Library, bits: int = BITS) -> list[tuple[float, int]]:
    """For each step of distance how many pairs are up to it."""
    pairs = open_pairs(library, Limits(LOOSEST, bits))
    counts = pairs.aggregate(
        **{f"step_{at}": Count("id", filter=Q(distance__lte=step)) for at, step in enumerate(STEPS)}
    )
    return [(step, counts[f"step_{at}"]) for at, step in enumerate(STEPS)]


def keep_all(library: Library, originals: Collection[UUID], by: Any) -> int:
    """These are no copies of each other: every two of them are never asked about again. Returns how many pairs."""
    pairs = list(combinations(sorted(originals), 2))
    with transaction.atomic():
        pairing.hold(library.pk)
        decisions = [
            SimilarDecision(library=library, first_id=first, second_id=second, decided_by=by)
            for first, second in pairs
        ]
        SimilarDecision.objects.bulk_create(decisions, ignore_conflicts=True)
        between(library, originals).delete()
    return len(pairs)


def between(library: Library, originals: Collection[UUID]) -> Any:
    return SimilarPair.objects.filter(
        library=library, first__original__in=originals, second__original__in=originals
    )


def ask_again(library: Library, originals: Collection[UUID]) -> int:
    """Takes such decisions back: what is alike among these is shown again. Returns how many pairs."""
    with transaction.atomic():
        decided = SimilarDecision.objects.filter(library=library, first__in=originals, second__in=originals)
        count, _ = decided.delete()
        rows = PictureEmbedding.objects.filter(library=library, original__in=originals)
        pairing.pair_again(rows)
    return int(count)
