"""What strangers and broken programs send to the API about films: they get an answer, and nothing else."""

import json
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from alcoves.accounts.models import User
from media.derivers.registry import get_deriver
from media.libraries import create_library
from media.models import Derivative, File, Library, Membership, Moment, Original, Tag
from tests.conftest import client_of
from tests.ingesting import take_in

JSON = "application/json"
ODD: list[Any] = [
    *("NaN", "-Infinity", "1e400", "9" * 999, "\uff11\uff12", "\u202e1"),
    *(-1, -0.0, 1e-320, 1e308, 10**300, 2**63, True, None, {}, [1]),
]


@pytest.fixture
def film(library: Library) -> File:
    Library.objects.filter(pk=library.pk).update(sharing=True)
    return a_film(library)


def a_film(library: Library) -> File:
    file = take_in(library, b"\0\0\0\x20ftypisom" + uuid4().bytes * 30, "beach.mp4").file
    Original.objects.filter(pk=file.original_id).update(kind="video", mime="video/mp4", duration=20, probe={})
    file.refresh_from_db()
    return file


def base(file: File) -> str:
    return f"/api/libraries/{file.library_id}/files/{file.pk}"


def writes(file: File, moment: Moment, value: Any) -> list[tuple[str, str, Any]]:
    """Each place where a number, a text or a list is taken."""
    one = f"{base(file)}/moments/{moment.pk}"
    return [
        ("post", f"{base(file)}/poster", {"second": value}),
        ("post", f"{base(file)}/poster", {"candidate": value}),
        ("post", f"{base(file)}/poster", value),
        ("post", f"{base(file)}/proxy", {"force": value}),
        ("post", f"{base(file)}/moments", {"name": "x", "start": value, "end": 5}),
        ("post", f"{base(file)}/moments", {"name": "x", "start": 1, "end": value}),
        ("patch", one, {"start": value}),
        ("patch", one, {"name": value}),
        ("patch", one, {"description": value}),
        ("post", f"{one}/split", {"at": value}),
        ("put", f"{one}/tags", {"tagIds": value}),
        ("put", f"{one}/tags", {"tagIds": [value]}),
        ("post", f"{one}/shares", {"expiresAt": value}),
        ("post", f"{one}/shares", {"password": value}),
        ("post", f"/api/libraries/{file.library_id}/tags", {"name": value}),
        ("post", f"/api/libraries/{file.library_id}/tags", {"name": "x", "color": value}),
    ]


@pytest.mark.parametrize("length", [20, None])
def test_odd_values_are_answered(film: File, as_alice: Client, length: float | None) -> None:
    as_alice.raise_request_exception = False
    Original.objects.filter(pk=film.original_id).update(duration=length)
    moment = Moment.objects.create(file=film, name="A", start=1, end=9)
    faults = []
    for value in ODD:
        for method, address, body in writes(film, moment, value):
            answer = getattr(as_alice, method)(address, json.dumps(body), content_type=JSON)
            if answer.status_code >= 500:
                faults.append((address, body))
        asked = [as_alice.get(f"{base(film)}/waveform", {name: str(value)}) for name in ("level", "points")]
        faults.extend(
            (f"waveform {answer.status_code}", value) for answer in asked if answer.status_code >= 500
        )
    assert faults == []


def routes(file: File, moment: Moment) -> list[tuple[str, str]]:
    one = f"{base(file)}/moments/{moment.pk}"
    return [
        *[("get", f"{base(file)}/{name}") for name in ("playback-sources", "proxy", "waveform", "poster")],
        *[
            ("post", f"{base(file)}/{name}")
            for name in ("proxy", "waveform", "poster", "poster/upload", "moments")
        ],
        ("delete", f"{base(file)}/poster"),
        *[("get", f"{base(file)}/derivatives/{name}/x") for name in ("hover", "sprites", "subtitles")],
        ("get", f"{base(file)}/moments"),
        *[(method, one) for method in ("get", "patch", "delete")],
        *[("post", f"{one}/{name}") for name in ("restore", "split", "export", "shares")],
        *[("get", f"{one}/{name}") for name in ("download", "poster", "shares")],
        ("put", f"{one}/tags"),
    ]


def test_nothing_is_reached_by_mixing_libraries_files_and_moments(
    film: File, as_alice: Client, as_charlie: Client, client: Client, charlie: User, bob: User
) -> None:
    moment = Moment.objects.create(file=film, name="A", start=1, end=9)
    theirs = a_film(create_library(charlie, "Theirs"))
    foreign = Moment.objects.create(file=theirs, name="B", start=1, end=9)
    other = a_film(film.library)
    mixed = File(pk=film.pk, library_id=theirs.library_id)
    for method, address in routes(film, moment):
        assert getattr(as_charlie, method)(address).status_code == 404, (method, address)
        assert getattr(client, method)(address).status_code == 401, (method, address)
    for method, address in routes(mixed, moment):
        assert getattr(as_charlie, method)(address).status_code == 404, (method, address)
    for stray in (foreign, Moment.objects.create(file=other, name="C", start=1, end=9)):
        for method, address in routes(film, stray):
            if str(stray.pk) in address:
                assert getattr(as_alice, method)(address).status_code in {400, 404}, (method, address)
    Membership.objects.filter(user=bob).delete()
    former = client_of(bob)
    assert {getattr(former, method)(address).status_code for method, address in routes(film, moment)} == {404}
    stray_tag = Tag.objects.create(library=theirs.library, name="T", color="#EF4444")
    answer = as_alice.put(f"{base(film)}/moments/{moment.pk}/tags", {"tagIds": [str(stray_tag.pk)]}, JSON)
    assert answer.status_code == 404
    assert Moment.objects.filter(trashed_at=None).count() == 3


def test_parts_are_nothing_of_the_api(film: File, as_alice: Client) -> None:
    about = get_deriver("proxy-part")
    whole = {"original_id": film.original_id, "queue": about.queue, "queued_at": film.created_at}
    parent = Derivative.objects.create(deriver="proxy", **whole)
    part = Derivative.objects.create(deriver=about.name, variant="0001", parent=parent, **whole)
    address = f"{base(film)}/derivatives/{about.name}"
    bytes_of = as_alice.get(f"{address}/chunk.mkv?variant=0001")
    for found in (as_alice.get(address), bytes_of, as_alice.post(f"{address}/cancel")):
        assert found.status_code == 404
    asked = as_alice.post(f"{base(film)}/reprocess", {"deriver": "proxy-part"}, JSON)
    all_of_it = as_alice.post(f"/api/libraries/{film.library_id}/reprocess", {"deriver": "proxy-part"}, JSON)
    assert (asked.status_code, all_of_it.status_code) == (400, 400)
    part.refresh_from_db()
    assert part.requested_version == 1


def test_lists_of_many_moments_and_tags_cost_the_same(film: File, as_alice: Client) -> None:
    def cost(address: str) -> int:
        with CaptureQueriesContext(connection) as asked:
            assert as_alice.get(address).status_code == 200
        return len(asked)

    addresses = [f"{base(film)}/moments", f"/api/libraries/{film.library_id}/tags", base(film)]
    first = Moment.objects.create(file=film, name="A", start=1, end=9)
    first.tags.add(Tag.objects.create(library=film.library, name="A", color="#EF4444"))
    cost(base(film))  # The first request of a token notes its use.
    few = [cost(address) for address in addresses]
    tags = Tag.objects.bulk_create(
        Tag(library=film.library, name=f"t{number}", color="#EF4444") for number in range(100)
    )
    made = Moment.objects.bulk_create(
        Moment(file=film, name=f"m{number}", start=1, end=2) for number in range(500)
    )
    through = Moment.tags.through
    through.objects.bulk_create(
        through(moment_id=moment.pk, tag_id=tag.pk) for moment in made for tag in tags[:5]
    )
    Derivative.objects.bulk_create(
        Derivative(
            original_id=film.original_id,
            deriver="moment",
            variant=moment.variant,
            queue="moment-export",
            queued_at=film.created_at,
        )
        for moment in made
    )
    assert [cost(address) for address in addresses] == few
