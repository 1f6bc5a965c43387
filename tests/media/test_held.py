"""What operators set aside: nothing is made of it, and no door shows it, until it is released."""

from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.urls import reverse

from alcoves import asgi_images
from alcoves.accounts.models import User
from media import audit, holding, imagecache, ledger, prewarm, runs, shares, trash
from media.api.seeing import find_seen
from media.errors import HeldError, RequestError
from media.images.recipes import Recipe
from media.models import AuditEntry, CachedImage, Derivative, File, Library, Moment, MomentShare, Original
from media.models.audit import Via
from media.models.cached_image import CACHE
from media.pictures import find_picture
from storage.registry import get_store
from tests.derivers import TABLE, FussyDeriver
from tests.ingesting import run_queued, take_in
from tests.media.api.conftest import PICTURE, PNG, finish
from tests.media.api.test_shares import export, film, moment  # noqa: F401  Fixtures.

SENTENCE = "set aside by the operators"
RECIPE = Recipe(width=100, height=100)


@pytest.fixture
def file(library: Library) -> File:
    made = take_in(library, PNG, "picture.png").file
    finish(made, "preview", {"preview.webp": (PICTURE, "image/webp"), "thumb.webp": (PICTURE, "image/webp")})
    finish(made, "poster", {"poster.webp": (PICTURE, "image/webp")})
    finish(made, "waveform", {"waveform.json": (b"{}", "application/json")})
    return made


def hold(file: File, by: Any = audit.SYSTEM) -> int:
    return holding.hold([file.original_id], by, "Somebody complained.")


def base(file: File) -> str:
    return f"/api/libraries/{file.library_id}/files/{file.pk}"


DOORS = (
    "/original",
    "/original?download=1",
    "/derivatives",
    "/derivatives/preview",
    "/derivatives/preview/preview.webp",
    "/derivatives/poster/poster.webp",
    "/waveform",
    "/playback-sources",
    "/proxy",
    "/poster",
    "/moments",
    "/faces",
    "/objects",
    "/transcripts",
)


@pytest.mark.parametrize("door", DOORS)
def test_no_door_of_a_file_gives_anything(file: File, as_bob: Client, as_charlie: Client, door: str) -> None:
    hold(file)
    shut = as_bob.get(base(file) + door)
    assert shut.status_code == 451, shut.content
    assert shut.json()["code"] == "set_aside"
    assert SENTENCE in shut.json()["message"]
    assert as_charlie.get(base(file) + door).status_code == 404


@pytest.mark.parametrize(
    ("door", "given"),
    [("/reprocess", {"deriver": "preview"}), ("/derivatives/preview/cancel", {}), ("/poster/upload", {})],
)
def test_nothing_is_asked_of_it(file: File, as_alice: Client, door: str, given: dict[str, str]) -> None:
    hold(file)
    assert as_alice.post(base(file) + door, given, "application/json").status_code == 451
    assert as_alice.patch(base(file), {"name": "b.png"}, "application/json").status_code == 451


def test_members_see_that_it_is_there_and_may_throw_it_away(file: File, as_alice: Client) -> None:
    before = as_alice.get(base(file)).json()
    assert (before["setAside"], bool(before["images"]), bool(before["thumbUrl"])) == (False, True, True)
    hold(file)
    shown = as_alice.get(base(file)).json()
    assert shown["setAside"] is True
    pictures = (
        "images",
        "thumbUrl",
        "previewUrl",
        "posterUrl",
        "thumbhash",
        "color",
        "waveformUrl",
        "imagePass",
    )
    assert {shown[name] for name in pictures} == {None}
    (listed,) = as_alice.get(f"/api/libraries/{file.library_id}/files").json()["entries"]
    assert (listed["setAside"], listed["thumbUrl"], listed["images"]) == (True, None, None)
    assert as_alice.delete(base(file)).status_code == 204
    assert holding.release([file.original_id], audit.SYSTEM) == 1


def test_pictures_on_demand_are_refused(file: File, as_bob: Client, as_charlie: Client, bob: User) -> None:
    address = f"/api/files/proxy/{file.library_id}/{file.pk}/a.jpg?width=100"
    hold(file)
    shut = as_bob.get(address)
    assert (shut.status_code, shut["Cache-Control"]) == (451, "no-store")
    assert as_charlie.get(address).status_code == 404
    for user in (None, bob.pk):
        seen = find_seen(file.library_id, file.pk, user)
        assert seen is not None
        assert (seen.held, seen.picture) == (True, None)


def keep(file: File) -> str:
    """A picture of it in the cache; returns its path on the disk, as the front looks for it."""
    found = find_picture(File.objects.select_related("original").get(pk=file.pk), [])
    assert found is not None
    kept = imagecache.keep(found, RECIPE, b"picture")
    assert kept is not None
    store: Any = get_store(CACHE)
    return f"{store.root}/{kept.key}"


@pytest.mark.django_db(transaction=True)
def test_the_front_finds_nothing_any_more(file: File, bob: User) -> None:
    """It answers signed addresses from the disk without a query, so the disk must have none."""
    keep(file)
    picture: Any = find_picture(File.objects.select_related("original").get(pk=file.pk), [])
    wanted = asgi_images.Wanted(
        "GET", str(file.library_id), str(file.pk), "a.jpg", picture.version, RECIPE, "r", 0.0
    )
    assert isinstance(asgi_images.find_picture(wanted, {}), asgi_images.Hit)
    hold(file)
    assert asgi_images.find_picture(wanted, {}) is wanted
    assert not CachedImage.objects.exists()
    assert imagecache.keep(picture, RECIPE, b"picture") is None
    assert asgi_images.find_picture(wanted, {}) is wanted


@pytest.mark.django_db(transaction=True)
def test_a_picture_that_is_written_meanwhile_does_not_stay(
    file: File, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture: Any = find_picture(File.objects.select_related("original").get(pk=file.pk), [])
    store: Any = get_store(CACHE)
    inner = type(store).put

    def put(self: Any, *given: Any, **more: Any) -> Any:
        hold(file)
        return inner(self, *given, **more)

    monkeypatch.setattr(type(store), "put", put)
    assert imagecache.keep(picture, RECIPE, b"picture") is None
    assert list(store.iterate()) == []


def test_what_was_left_in_the_cache_is_dropped_by_the_next_round(file: File) -> None:
    keep(file)
    Original.objects.filter(pk=file.original_id).update(held_at="2026-01-01T00:00Z", held_reason="x")
    assert imagecache.drop_held() == 1
    assert list(get_store(CACHE).iterate()) == []
    assert imagecache.drop_held() == 0


def test_it_is_not_warmed_ahead(file: File) -> None:
    Derivative.objects.filter(status="queued").delete()
    assert [one.id for one in prewarm.claim()] == [file.original_id]
    Original.objects.update(warm_claimed_at=None)
    hold(file)
    assert prewarm.claim() == []


def test_links_to_its_moments_are_not_good(moment: Moment, client: Client, alice: User) -> None:  # noqa: F811
    export(moment)
    share: MomentShare = shares.create_share(moment, alice)
    token = shares.token_of(share)
    doors = (
        reverse("api:share-video", args=(token,)),
        reverse("api:share-thumbnail", args=(token,)),
        f"/s/{token}",
    )
    assert {client.get(door).status_code for door in doors} == {200}
    hold(moment.file)
    assert {client.get(door).status_code for door in doors} == {404}
    holding.release([moment.file.original_id], audit.SYSTEM)
    assert {client.get(door).status_code for door in doors} == {200}


def test_exports_of_moments_are_refused(moment: Moment, as_alice: Client) -> None:  # noqa: F811
    export(moment)
    doors = [f"{base(moment.file)}/moments/{moment.pk}/{name}" for name in ("download", "poster")]
    assert {as_alice.get(door).status_code for door in doors} == {200}
    hold(moment.file)
    assert {as_alice.get(door).status_code for door in doors} == {451}


def test_the_gallery_and_the_console_do_not_show_it(file: File, bob: User, client: Client) -> None:
    preview = Derivative.objects.get(deriver="preview")
    shown = reverse("admin:media_derivative_picture", args=(preview.pk, "thumb.webp"))
    page = reverse("gallery-file", args=(file.library_id, file.pk))
    client.force_login(bob)
    assert client.get(page).status_code == 200
    hold(file)
    shut = client.get(page)
    assert shut.status_code == 451
    assert SENTENCE in shut.content.decode()
    client.force_login(User.objects.create_superuser("root@example.org", "root-password"))
    assert client.get(shown).status_code == 404


def test_a_search_does_not_find_it(file: File, as_bob: Client) -> None:
    address = f"/api/search?q=picture&library={file.library_id}"
    assert len(as_bob.get(address).json()["entries"]) == 1
    hold(file)
    assert as_bob.get(address).json()["entries"] == []


def test_nothing_is_made_of_it(library: Library, settings: Any) -> None:
    settings.DERIVERS = {"fussy": TABLE["fussy"]}
    file = take_in(library, PNG, "a.png").file
    row = Derivative.objects.get()
    hold(file)
    assert run_queued() == 0
    assert ledger.claim(row.pk, owner="w", lease_seconds=20) is None
    row.refresh_from_db()
    assert row.status == "queued"
    holding.release([file.original_id], audit.SYSTEM)
    assert run_queued() == 1


def test_a_run_under_way_stops_and_waits(
    library: Library, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.DERIVERS = {"fussy": TABLE["fussy"]}
    file = take_in(library, PNG, "a.png").file
    inner = FussyDeriver.derive

    def derive(self: FussyDeriver, context: Any) -> Any:
        hold(file)
        return inner(self, context)

    monkeypatch.setattr(FussyDeriver, "derive", derive)
    row = Derivative.objects.get()
    runs.run(row.pk)
    row.refresh_from_db()
    assert (row.status, row.ready_version, row.attempts, row.lost_claims) == ("queued", 0, 0, 0)
    from media.models import Attempt

    assert list(Attempt.objects.values_list("outcome", "error_code")) == [("abandoned", "set_aside")]


def test_the_same_bytes_under_another_name_are_set_aside_too(
    file: File, library: Library, as_bob: Client
) -> None:
    hold(file)
    other = take_in(library, PNG, "again.png").file
    assert other.original_id == file.original_id
    assert as_bob.get(f"{base(other)}/original").status_code == 451


def test_it_is_noted_and_can_be_taken_back(file: File, alice: User, as_bob: Client) -> None:
    by = audit.Actor(Via.CONSOLE, alice)
    assert hold(file, by) == 1
    assert hold(file, by) == 0
    original = Original.objects.get()
    assert (original.held_by, original.held_reason) == (alice, "Somebody complained.")
    assert holding.release([original.pk], by) == 1
    assert holding.release([original.pk], by) == 0
    told = AuditEntry.objects.order_by("id").values_list("action", "count", "actor")
    assert list(told) == [("files.hold", 1, alice.pk), ("files.release", 1, alice.pk)]
    assert as_bob.get(f"{base(file)}/original").status_code == 200


def test_a_reason_is_needed_and_not_too_many_at_once(file: File) -> None:
    with pytest.raises(RequestError, match="Say why"):
        holding.hold([file.original_id], audit.SYSTEM, "  ")
    with pytest.raises(RequestError, match="At most"):
        holding.release([file.original_id] * (holding.MOST + 1), audit.SYSTEM)
    assert not Original.objects.filter(held_at__isnull=False).exists()
    assert HeldError.http_status == 451


def test_it_may_be_purged(file: File, library: Library) -> None:
    hold(file)
    with transaction.atomic():
        trash.trash(library, [file.pk])
    trash.purge(library, [file.pk], only=trash.IN_TRASH)
    assert not Original.objects.exists()


TOLD_OF_IT = {
    "title": "A secret title",
    "caption": "A secret caption",
    "keywords": ["hidden"],
    "latitude": 52.5,
    "longitude": 13.4,
    "camera_make": "Secret",
    "duration": 12.5,
    "probe": {"Secret": "all of it"},
}


def test_nothing_of_what_is_in_it_is_told(file: File, as_bob: Client) -> None:
    """The name and that it was set aside: neither words nor place nor digest, in details and in lists."""
    Original.objects.filter(pk=file.original_id).update(**TOLD_OF_IT, captured_at="2020-02-02T02:02:02Z")
    File.objects.filter(pk=file.pk).update(client_modified_at="2020-02-02T02:02:02Z")
    shown = as_bob.get(base(file)).json()
    assert (shown["title"], shown["probe"]) == ("A secret title", {"Secret": "all of it"})
    hold(file)
    shown = as_bob.get(base(file)).json()
    (listed,) = as_bob.get(f"/api/libraries/{file.library_id}/files").json()["entries"]
    for told in (shown, listed):
        assert (told["name"], told["setAside"], told["keywords"]) == ("picture.png", True, [])
        nothing = {"title", "caption", "location", "camera", "hash", "width", "height", "duration"}
        assert {told[name] for name in (*nothing, "capturedAt", "clientModifiedAt")} == {None}
        assert told["effectiveAt"] == told["createdAt"]
    assert not shown["probe"]


def test_a_search_does_not_count_it(file: File, as_bob: Client) -> None:
    answer = as_bob.get("/api/search", {"q": "picture", "facets": "true"}).json()
    assert (answer["total"], bool(answer["facets"]["type"])) == (1, True)
    hold(file)
    answer = as_bob.get("/api/search", {"q": "picture", "facets": "true"}).json()
    assert (answer["total"], answer["entries"]) == (0, [])
    assert not any(answer["facets"].values())
