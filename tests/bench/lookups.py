"""`face-lookup`: the ten nearest among a million faces, by the index, against a comparison with every one of them.

The faces of a large library, beside another one that also has many: the filter by library has something to do. They are
written first and the index is made afterwards, as after a move to another machine.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from media.models import Library, Original
from ml.faces import lookups
from tests.bench import machines
from tests.bench.identities import DIMENSIONS, Vectors, crowd
from tests.bench.measuring import Result, in_ms

MODEL = "bench"
LEAST_RECALL = 0.99
AIM_MS = 10
BLOCK = 20_000
FILL = """
INSERT INTO ml_face (id, created_at, updated_at, library_id, original_id, model, embedding, x, y, width, height,
    score, quality, assigned_by, spans, landmarks, crop, waiting, removed)
SELECT gen_random_uuid(), now(), now(), %s, %s, %s, embedding, 0.1, 0.1, 0.1, 0.1,
    1, 0.5, '', '[]', '[]', '', false, false
FROM incoming
"""
INDEX = "face_by_embedding"

Halves = NDArray[np.float16]


@dataclass(frozen=True, slots=True)
class Size:
    faces: int = 1_000_000
    faces_of_each: int = 100
    others: int = lookups.EXACT_BELOW
    """Faces of the library beside: as many as are still compared one by one."""
    lookups: int = 300
    count: int = 10
    memory: str = "3GB"
    """For making the index; it does not fit into less for a million."""
    seed: int = 1


QUICK = Size(faces=100_000, lookups=100, memory="1GB")


def run(size: Size, folder: Path) -> list[Result]:
    mine, theirs = machines.library(), machines.library()
    everything = crowd(size.faces // size.faces_of_each, size.faces + size.lookups, size.seed).vectors
    faces, asked = everything[: size.faces].astype(np.float16), everything[size.faces :].astype(np.float16)
    del everything
    definition = without_index()
    began = time.monotonic()
    write(mine, faces)
    write(
        theirs,
        crowd(size.others // size.faces_of_each, size.others, size.seed + 1).vectors.astype(np.float16),
    )
    loaded = time.monotonic()
    with_index(definition, size.memory)
    built = time.monotonic()
    right = nearest_of_all(faces, asked, size.count)
    recall, seconds = look_up(mine, asked, right, size.count)
    raw: dict[str, Any] = {
        "faces": size.faces,
        "look_ups": in_ms(seconds),
        "aim_ms": AIM_MS,
        "seconds_to_write": round(loaded - began, 1),
        "seconds_to_make_the_index": round(built - loaded, 1),
        "index_mb": round(index_bytes() / 2**20),
        "eighty_nearest": in_ms(look_up(mine, asked, right, 80)[1]),
        "one_by_one": {"faces": size.others, **in_ms(one_by_one(theirs, asked[:20]))},
    }
    return [Result("face-lookup", recall, LEAST_RECALL, higher_is_better=True, raw=raw)]


def without_index() -> str:
    """Drop it; how it is to be made again."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT indexdef FROM pg_indexes WHERE indexname = %s", [INDEX])
        definition = str(cursor.fetchone()[0])
        cursor.execute(f"DROP INDEX {INDEX}")
    return definition


def with_index(definition: str, memory: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET maintenance_work_mem = %s", [memory])
        cursor.execute("SET max_parallel_maintenance_workers = 1")
        cursor.execute(definition)
        cursor.execute("RESET maintenance_work_mem")
        cursor.execute("RESET max_parallel_maintenance_workers")
        cursor.execute("ANALYZE ml_face")


def index_bytes() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_relation_size(%s::regclass)", [INDEX])
        return int(cursor.fetchone()[0])


def write(library: Library, faces: Halves) -> None:
    """By COPY, all in one picture."""
    original = Original.objects.create(
        library=library, size=1, mime="image/jpeg", kind="image", key=f"{library.pk}/bench"
    )
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE incoming (embedding halfvec(512))")
        with cursor.copy("COPY incoming FROM STDIN WITH (FORMAT binary)") as copy:
            copy.set_types(["bytea"])
            for one in faces.astype(">f2"):
                # As pgvector sends and reads half vectors: the number of dimensions, two empty bytes, the halves.
                copy.write_row((DIMENSIONS.to_bytes(2, "big") + b"\0\0" + one.tobytes(),))
        cursor.execute(FILL, [library.pk, original.pk, MODEL])
        cursor.execute("DROP TABLE incoming")


def nearest_of_all(faces: Halves, asked: Halves, count: int) -> NDArray[np.float64]:
    """For each that is asked: the distance of the last of the right answers, by comparing with every face."""
    queries = unit(asked)
    best = np.full((len(asked), count), 9.0, dtype=np.float32)
    for start in range(0, len(faces), BLOCK):
        distances = 1 - queries @ unit(faces[start : start + BLOCK]).T
        best = np.partition(np.concatenate([best, distances], axis=1), count - 1, axis=1)[:, :count]
    return np.asarray(best.max(axis=1), dtype=np.float64)


def unit(halves: Halves) -> Vectors:
    wide = halves.astype(np.float32)
    return np.asarray(wide / np.linalg.norm(wide, axis=1, keepdims=True), dtype=np.float32)


def look_up(
    library: Library, asked: Halves, right: NDArray[np.float64], count: int
) -> tuple[float, list[float]]:
    """The share of the right answers that were found (two at the same distance are equally right), and the seconds."""
    found, seconds = 0, []
    lookups.nearest(library.pk, asked[0].astype(np.float32), count, model=MODEL)
    for vector, last in zip(asked, right.tolist(), strict=True):
        began = time.perf_counter()
        near = lookups.nearest(library.pk, vector.astype(np.float32), count, model=MODEL)
        seconds.append(time.perf_counter() - began)
        found += sum(one.distance <= last + 1e-5 for one in near)
    return found / (len(asked) * count), seconds


def one_by_one(library: Library, asked: Halves) -> list[float]:
    """How long a comparison with all faces of a library takes."""
    seconds = []
    for vector in asked:
        values = {"vector": str(vector.astype(float).round(6).tolist()), "model": MODEL}
        given = {**values, "library": library.pk, "count": 80}
        statement = lookups.NEAREST.format(asked=lookups.OF_A_VECTOR, order=lookups.ONE_BY_ONE)
        began = time.perf_counter()
        lookups.read(statement, given)
        seconds.append(time.perf_counter() - began)
    return seconds
