import base64
import json
import time
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.errors import SignatureError
from storage.signing import Grant, TokenUrls, sign, verify

GRANT = Grant("get", "files", "a/b", expires_at=1000, filename="Grüße.jpg", content_type="image/jpeg")
SECRET = "only for tests"


def test_a_token_gives_back_its_grant() -> None:
    put = Grant("put", "files", "a/b", 1000, content_type="image/png", size=5, sha256="0" * 64)
    assert verify(sign(GRANT, SECRET), SECRET, verb="get", now=999) == GRANT
    assert verify(sign(put, SECRET), SECRET, verb="put", now=999) == put


def test_it_expires_and_is_for_one_verb() -> None:
    token = sign(GRANT, SECRET)
    for now in (1000, 1001, None):
        with pytest.raises(SignatureError, match="expired") as caught:
            verify(token, SECRET, verb="get", now=now)
    assert caught.value.http_status == 403
    with pytest.raises(SignatureError, match="permits to get"):
        verify(token, SECRET, verb="put", now=999)


def test_retired_secrets_still_open() -> None:
    token = sign(GRANT, "old")
    assert verify(token, "new", "old", verb="get", now=0) == GRANT
    for secrets in (("new",), ()):
        with pytest.raises(SignatureError):
            verify(token, *secrets, verb="get", now=0)


@given(st.data())
def test_no_changed_token_is_good(data: st.DataObject) -> None:
    token = sign(GRANT, SECRET)
    at = data.draw(st.integers(0, len(token) - 1))
    letter = data.draw(st.characters(min_codepoint=32, max_codepoint=255))
    changed = token[:at] + letter + token[at + 1 :]
    if changed != token:
        with pytest.raises(SignatureError):
            verify(changed, SECRET, verb="get", now=0)


@pytest.mark.parametrize("token", ["", ".", "a", "a.b", "é.é", "x" * 5000, "a.b.c", "=.=", "\x00.\x00"])
def test_nonsense_is_refused(token: str) -> None:
    with pytest.raises(SignatureError):
        verify(token, SECRET, verb="get", now=0)


def test_cut_lengthened_and_rewritten_tokens() -> None:
    token = sign(GRANT, SECRET)
    body, _, mac = token.partition(".")
    payload = json.loads(base64.urlsafe_b64decode(body + "=="))
    payload["key"] = "c/d"
    other = base64.urlsafe_b64encode(json.dumps(payload).encode()).rstrip(b"=").decode()
    for forged in (
        token[:-1],
        token + "A",
        f"{body}=.{mac}",
        f"{body}.{mac}=",
        f"{other}.{mac}",
        f"{mac}.{body}",
    ):
        with pytest.raises(SignatureError):
            verify(forged, SECRET, verb="get", now=0)


def test_urls() -> None:
    secrets = ["first"]
    urls = TokenUrls("files", "/api/files/", lambda: secrets[-1])
    secrets.append("second")
    get = urlsplit(urls.get("a/b", timedelta(minutes=5), "x.jpg", None))
    assert get.path == "/api/files/signed"
    grant = verify(parse_qs(get.query)["token"][0], "second", verb="get")
    assert abs(grant.expires_at - time.time() - 300) < 30
    put = urls.put("a/b", timedelta(minutes=5), 7, "image/png", None)
    assert (put.method, put.headers) == ("PUT", {"Content-Type": "image/png"})
    assert urlsplit(put.url).path == "/api/files/upload-signed"
    bound = verify(parse_qs(urlsplit(put.url).query)["token"][0], "second", verb="put")
    assert (bound.store, bound.key, bound.size, bound.content_type) == ("files", "a/b", 7, "image/png")
