"""Whether the vectors nearest to one are found quicker by their index or one by one.

An index (HNSW) holds the vectors of all libraries. Of a library that has few among many of others it would be walked
through far to find enough, and the walk may give up in the end. Faces and pictures are both looked up by this rule.
"""

import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Final

from django.db import connection, transaction

STEP: Final = 16
"""Comparisons for each entry of the index that is walked through: its neighbours in the graph (m)."""
MOST_COUNTED: Final = 200_000
"""Rows are counted no further, so that counting stays quick."""
REMEMBERED_SECONDS: Final = 60.0
REMEMBERED_MOST: Final = 10_000

sizes: Final[dict[Hashable, tuple[int, float]]] = {}
"""How many rows there were of something, and until when this process believes it: only the speed depends on it."""


SEARCH: Final = """
SELECT '[1]'::halfvec, set_config('hnsw.ef_search', %s, true), set_config('hnsw.iterative_scan', 'strict_order', true),
    set_config('hnsw.max_scan_tuples', %s, true), set_config('hnsw.scan_mem_multiplier', '8', true),
    set_config('enable_sort', 'off', true)
"""
"""For this transaction. The type comes first: pgvector knows its settings once it is loaded."""


@contextmanager
def searching(searched: int, most_scanned: int) -> Iterator[None]:
    """How the index is searched inside: so many candidates are kept, so many entries walked through at most.

    Without a sort the planner has no other way to give rows in their order. Else, where some hundred are asked for, it
    would rather walk as far as the index goes, join all of it and sort.
    """
    with transaction.atomic(savepoint=False), connection.cursor() as cursor:
        cursor.execute(SEARCH, [str(searched), str(most_scanned)])
        yield
        # Whoever has begun the transaction may have to sort; nothing else looks at the other settings.
        cursor.execute("SELECT set_config('enable_sort', 'on', true)")


def is_quicker_one_by_one(mine: int, relation: str, searched: int) -> bool:
    """`relation` is the table or index with the vectors of all, `searched` the candidates that a search keeps."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT reltuples FROM pg_class WHERE oid = to_regclass(%s)", [relation])
        found = cursor.fetchone()
    everything = max(mine, int(found[0]) if found else 0)
    return mine * mine <= searched * everything * STEP


def counted(about: Hashable, count: Callable[[], int]) -> int:
    """How many there are, not counted again for a minute."""
    number, until = sizes.get(about, (0, 0.0))
    if until > time.monotonic():
        return number
    if len(sizes) >= REMEMBERED_MOST:
        sizes.clear()
    number = count()
    sizes[about] = (number, time.monotonic() + REMEMBERED_SECONDS)
    return number
