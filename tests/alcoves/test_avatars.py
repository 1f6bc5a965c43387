"""Pictures of people over the API: taking in, showing, who may see, what is left of the ones before."""

import io
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.http import Http404
from django.test import Client
from PIL import Image

from alcoves.accounts import avatars
from alcoves.accounts.models import User
from media import blobs
from media.images import uploaded
from media.models import Library, UnnamedBlob
from storage.errors import StoreFullError
from storage.registry import get_store
from tests.conftest import client_of
from tests.makers import corners, make_image, make_png

MINE = "/api/auth/me/avatar"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


def picture(color: tuple[int, int, int] = (200, 30, 30), size: tuple[int, int] = (900, 600)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, color).save(out, "JPEG", quality=92)
    return out.getvalue()


def upload(client: Client, content: bytes, *, field: str = "file", name: str = "me.jpg") -> Any:
    return client.post(MINE, {field: SimpleUploadedFile(name, content)})


def address(user: User) -> str:
    return f"/api/auth/users/{user.pk}/avatar"


def body_of(response: Any) -> bytes:
    return b"".join(response.streaming_content)


def stored() -> list[str]:
    return [stat.key for stat in get_store("avatars").iterate()]


def sweep_now() -> None:
    UnnamedBlob.objects.update(due_at="2020-01-01T00:00Z")
    blobs.sweep()


@pytest.mark.parametrize("field", ["file", "avatar"])
def test_a_picture_is_taken_in_and_shown(alice: User, field: str) -> None:
    client = client_of(alice)
    answer = upload(client, picture(), field=field)
    assert answer.status_code == 200
    alice.refresh_from_db()
    assert answer.json() == {"avatarUrl": alice.avatar_url}
    for url in (MINE, address(alice), answer.json()["avatarUrl"]):
        shown = client.get(url)
        assert shown.status_code == 200
        assert Image.open(io.BytesIO(body_of(shown))).size == (512, 512)
    assert shown["Content-Type"] == "image/webp"
    assert shown["Cache-Control"] == "private, max-age=300"
    assert shown["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in shown["Content-Security-Policy"]
    again = client.get(MINE, headers={"if-none-match": shown["ETag"]})
    assert (again.status_code, again["Cache-Control"]) == (304, "private, max-age=300")
    assert client.head(MINE).status_code == 200
    assert not UnnamedBlob.objects.exists()


def test_those_who_share_a_library_see_it_and_nobody_else(
    library: Library, alice: User, bob: User, charlie: User, client: Client
) -> None:
    upload(client_of(alice), picture())
    assert client_of(bob).get(address(alice)).status_code == 200
    for stranger in (charlie, User.objects.create_superuser("root@example.org", "root-password")):
        assert client_of(stranger).get(address(alice)).status_code == 404
    unseen, absent = client_of(charlie).get(address(alice)), client_of(charlie).get(address(bob))
    assert unseen.json() == absent.json()
    assert client.get(address(alice)).status_code in {401, 403}
    assert client.get(MINE).status_code in {401, 403}
    library.memberships.filter(user=bob).delete()
    assert client_of(bob).get(address(alice)).status_code == 404


def test_members_and_oneself_are_told_the_address(library: Library, alice: User, bob: User) -> None:
    before = client_of(alice).get("/api/auth/me").json()
    assert before["avatarUrl"] is None
    first = upload(client_of(alice), picture()).json()["avatarUrl"]
    members = client_of(bob).get(f"/api/libraries/{library.pk}/users").json()
    assert {member["email"]: member["avatarUrl"] for member in members} == {
        alice.email: first,
        bob.email: None,
    }
    assert client_of(alice).get("/api/auth/me").json()["avatarUrl"] == first
    # Another picture has another address, so that no cache shows the old one.
    assert upload(client_of(alice), picture()).json()["avatarUrl"] != first


def test_only_the_newest_is_kept(alice: User) -> None:
    client = client_of(alice)
    for color in ((250, 0, 0), (0, 250, 0), (0, 0, 250)):
        upload(client, picture(color))
    assert len(stored()) == 3
    assert set(UnnamedBlob.objects.values_list("store", flat=True)) == {"avatars"}
    sweep_now()
    alice.refresh_from_db()
    assert stored() == [alice.avatar_key]
    assert np.asarray(Image.open(io.BytesIO(body_of(client.get(MINE)))).convert("RGB"))[9, 9].argmax() == 2


def test_it_can_be_taken_away(alice: User) -> None:
    client = client_of(alice)
    upload(client, picture())
    assert client.delete(MINE).status_code == 204
    assert client.get(MINE).status_code == 404
    assert client.delete(MINE).status_code == 204
    sweep_now()
    assert not stored()


@pytest.mark.parametrize("content", [b"", b"hello", SVG, b"\x89PNG\r\n\x1a\n", picture()[:300]])
def test_what_is_no_picture_is_refused_in_a_sentence(alice: User, content: bytes) -> None:
    answer = upload(client_of(alice), content)
    assert answer.status_code == 400
    assert answer.json()["message"].endswith(".")
    assert not stored()
    assert not UnnamedBlob.objects.exists()


def test_a_bomb_is_refused(alice: User, tmp_path: Path) -> None:
    answer = upload(client_of(alice), make_png(tmp_path / "a.png", 30_000, 30_000).read_bytes())
    assert (answer.status_code, answer.json()["code"]) == (400, "too_many_pixels")


def test_forms_without_a_picture_are_refused(alice: User) -> None:
    client = client_of(alice)
    for data in ({}, {"file": "text"}, {"other": SimpleUploadedFile("a.jpg", picture())}):
        answer = client.post(MINE, data)
        assert (answer.status_code, answer.json()["code"]) == (400, "file_missing")
    for body, kind in ((picture(), "image/jpeg"), (b"{}", "application/json"), (b"x", "multipart/form-data")):
        answer = client.post(MINE, body, content_type=kind)
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_form")
    cut = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n' + picture()
    assert client.post(MINE, cut, content_type="multipart/form-data; boundary=x").status_code == 400


def test_strangers_cannot_put_one(client: Client, db: None) -> None:
    assert upload(client, picture()).status_code in {401, 403}
    assert client.delete(MINE).status_code in {401, 403}
    assert not stored()


def test_a_session_needs_the_token_of_its_page(alice: User) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(alice)
    assert upload(browser, picture()).status_code == 403
    page = browser.get("/profile")
    token = browser.cookies["csrftoken"].value
    assert b'id="picker"' in page.content
    form = {"file": SimpleUploadedFile("a.jpg", picture())}
    assert browser.post(MINE, form, headers={"x-csrftoken": token}).status_code == 200
    alice.refresh_from_db()
    assert alice.avatar_url is not None
    assert alice.avatar_url.encode() in browser.get("/profile").content


class Endless(io.BytesIO):
    """A body that counts what is read of it."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self.taken = 0

    def read(self, size: int | None = -1) -> bytes:
        block = super().read(size)
        self.taken += len(block)
        return block


def post_raw(client: Client, body: Endless, length: int) -> Any:
    server: dict[str, Any] = {
        "wsgi.input": body,
        "CONTENT_LENGTH": str(length),
        "CONTENT_TYPE": "multipart/form-data; boundary=x",
    }
    return client.generic("POST", MINE, **server)


def test_eight_mebibytes_are_the_end(alice: User) -> None:
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n'
    client = client_of(alice)

    body = Endless(head + bytes(2 * avatars.LARGEST))
    answer = post_raw(client, body, len(head) + 2 * avatars.LARGEST)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert body.taken == 0

    body = Endless(head + bytes(avatars.LARGEST + 1) + b"\r\n--x--\r\n")
    answer = post_raw(client, body, len(body.getvalue()))
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")

    # The last byte that fits still counts as a picture, if it is one: decoders pass over what follows.
    exact = picture()
    exact += bytes(avatars.LARGEST - len(exact))
    assert upload(client, exact).status_code == 200
    assert upload(client, exact + b"\0").status_code == 413
    assert len(stored()) == 1


def test_a_form_of_unknown_length_is_refused(alice: User) -> None:
    headers = {"transfer-encoding": "chunked"}
    answer = client_of(alice).post(MINE, {"file": SimpleUploadedFile("a", picture())}, headers=headers)
    assert answer.status_code == 411


def test_a_store_that_is_full_leaves_the_old_one(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    client = client_of(alice)
    upload(client, picture())
    alice.refresh_from_db()
    before = alice.avatar_key

    def full(*args: Any, **options: Any) -> None:
        raise StoreFullError("The disk is full. Free some space.")

    with monkeypatch.context() as patched:
        patched.setattr(get_store("avatars"), "put", full)
        assert upload(client, picture()).status_code == 507
    alice.refresh_from_db()
    assert alice.avatar_key == before
    sweep_now()
    assert not UnnamedBlob.objects.exists()
    assert stored() == [before]


def test_an_account_that_goes_meanwhile_leaves_nothing(alice: User) -> None:
    key = alice.pk
    alice.delete()
    with pytest.raises(Http404):
        avatars.replace(key, picture())
    sweep_now()
    assert not stored()


def test_a_queue_of_slow_pictures_is_told(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploaded, "WAIT_SECONDS", 0.05)
    with uploaded.ONE_AT_A_TIME:
        answer = upload(client_of(alice), picture())
    assert (answer.status_code, answer.json()["code"]) == (503, "busy")
    assert answer["Retry-After"]
    assert upload(client_of(alice), picture()).status_code == 200


def test_with_its_user_the_picture_goes(alice: User, bob: User) -> None:
    for user in (alice, bob):
        upload(client_of(user), picture())
    stale = User.objects.get(pk=alice.pk)
    upload(client_of(alice), picture())
    stale.delete()
    User.objects.filter(pk=bob.pk).delete()
    sweep_now()
    assert not stored()


@pytest.mark.django_db(transaction=True)
def test_of_two_at_the_same_moment_one_stays(tmp_path: Path) -> None:
    user = User.objects.create_user("two@example.org", "two-password")
    content = make_image(tmp_path / "a.jpg", corners(300, 300)).read_bytes()
    barrier = threading.Barrier(4)

    def act() -> None:
        barrier.wait(10)
        avatars.replace(user.pk, content)
        connection.close()

    threads = [threading.Thread(target=act) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    user.refresh_from_db()
    assert len(stored()) == 4
    sweep_now()
    assert stored() == [user.avatar_key]
