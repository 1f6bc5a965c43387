"""deploy/nginx.conf: its syntax where nginx is installed, and that bytes leave with the headers we gave them."""

import contextlib
import os
import re
import shutil
import socket
import subprocess  # noqa: TID251  A test starts a real nginx.
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from django.conf import settings

from media import serving
from media.images.recipes import Recipe, cache_key, query_of
from storage.serving import content_disposition
from tests.docs.reading import PROJECT
from tests.workers import answers, free_port, wait_until

TEXT = (PROJECT / "deploy/nginx.conf").read_text(encoding="utf-8")
BODY = bytes(range(256)) * 40
LIBRARY = "0190a0a0-0000-7000-8000-00000000000a"
FILE = "0190a0a0-0000-7000-8000-00000000000b"
SESSION = "abcdefghijklmnopqrstuvwxyz012345"
TOKEN = "Bearer alc_token"
VERSION = "ab" * 16
RECIPE = Recipe(720, 360, 82, "jpeg")
KEY = cache_key(LIBRARY, VERSION, RECIPE, registered=True)
NAMED = content_disposition("\U0001f600" * 255, inline=False)
PICTURE = f"/api/files/proxy/{LIBRARY}/{FILE}/Tag%201.JPG"
QUERY = query_of(RECIPE, VERSION, "s" * 22)


def nginx() -> str:
    found = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")
    if found is None:
        pytest.skip("nginx is not installed on this machine")
    return found


class Upstream(BaseHTTPRequestHandler):
    """Answers as the web part does when it hands a blob over."""

    seen: dict[str, str] = {}
    begun: list[str] = []
    """Addresses of requests with a body, as soon as their headers are here."""

    asked: list[str] = []
    """Addresses of pictures and of questions after membership."""

    def do_GET(self) -> None:
        Upstream.seen = dict(self.headers.items())
        if self.path.startswith("/api/files/proxy"):
            self.answer_picture()
            return
        self.send_response(200)
        if self.path == "/named":
            self.send_header("X-Accel-Redirect", "/internal-blobs/files/lib/original/blob")
            self.send_header("Content-Disposition", NAMED)
            self.send_header("X-Others", "x" * 900)  # As long as all the others of such an answer.
        if self.path == "/blob":
            self.send_header("X-Accel-Redirect", "/internal-blobs/files/lib/original/blob")
            self.send_header("Content-Type", "image/webp")
            self.send_header("Content-Disposition", 'inline; filename="a.webp"')
            self.send_header("ETag", '"abc"')
            self.send_header("Cache-Control", "private, no-cache")
            self.send_header("Content-Security-Policy", "sandbox; default-src 'none'")
            self.send_header("Cross-Origin-Resource-Policy", "same-origin")
            self.send_header("Vary", "Cookie, Authorization")
            self.send_header("X-Robots-Tag", "noindex, nofollow")
            self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_HEAD = do_GET  # noqa: N815  The parent's way of naming.

    def answer_picture(self) -> None:
        """Of a library that two know: a session and a token."""
        Upstream.asked.append(self.path)
        cookie, token = self.headers.get("Cookie", ""), self.headers.get("Authorization", "")
        knows = LIBRARY in self.path and (SESSION in cookie or token == TOKEN)
        if self.path.startswith("/api/files/proxy-access/"):
            self.send_response(204 if knows else 403)
            self.send_header("Set-Cookie", "x=1")
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            return
        content = b"by the web part" if knows else b"no such picture"
        self.send_response(200 if knows else 404)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_POST(self) -> None:
        Upstream.begun.append(self.path)
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  The parent's name.
        """Quiet."""


@contextmanager
def running(folder: Path) -> Iterator[str]:
    """nginx before an upstream that answers as this test wants it, and a store with two blobs."""
    upstream = ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
    threading.Thread(target=upstream.serve_forever, daemon=True).start()
    store = folder / "store"
    for key in ("files/lib/original/blob", f"cache/{KEY}"):
        blob = store / key
        blob.parent.mkdir(parents=True)
        blob.write_bytes(BODY)
    try:
        with nginx_before(upstream.server_port, folder, store) as base:
            yield base
    finally:
        upstream.shutdown()
        upstream.server_close()


@contextmanager
def nginx_before(upstream: int, folder: Path, store: Path) -> Iterator[str]:
    """Our configuration with the addresses and folders of this test in it."""
    program = nginx()
    port = free_port()
    text = TEXT.replace("/tmp/", f"{folder}/").replace("/dev/stderr", str(folder / "error.log"))
    text = text.replace("server web:8000;", f"server 127.0.0.1:{upstream};")
    text = text.replace("listen 8080;", f"listen 127.0.0.1:{port};").replace("/store/", f"{store}/")
    # As root, nginx would start its workers as nobody, who may not enter a test's folder.
    user = "user root;\n" if os.geteuid() == 0 else ""
    path = folder / "nginx.conf"
    path.write_text(user + text, encoding="utf-8")
    process = subprocess.Popen(
        [program, "-c", str(path), "-p", str(folder), "-g", "daemon off; master_process off;"]
    )
    try:
        wait_until(lambda: answers(f"http://127.0.0.1:{port}/healthz"), 20, "nginx")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def get(url: str, **headers: str) -> tuple[int, bytes, dict[str, str]]:
    request = urllib.request.Request(
        url, headers={name.replace("_", "-"): value for name, value in headers.items()}
    )
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return (
                answer.status,
                answer.read(),
                {name.lower(): value for name, value in answer.headers.items()},
            )
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read(), {name.lower(): value for name, value in error.headers.items()}


def test_the_internal_location_is_the_prefix_of_the_app() -> None:
    compose = yaml.safe_load((PROJECT / "compose.yaml").read_text(encoding="utf-8"))
    prefix = compose["services"]["web"]["environment"]["ALCOVES_X_ACCEL_PREFIX"]
    aliases = dict(re.findall(r"location (\S+) \{\s*internal;\s*alias (\S+);", TEXT))
    store = aliases[f"{prefix}/"]
    assert f" root {store}cache/variants;" in TEXT
    mounted = {
        volume["target"] for volume in compose["services"]["nginx"]["volumes"] if isinstance(volume, dict)
    }
    assert store.rstrip("/") in mounted
    dockerfile = (PROJECT / "Dockerfile").read_text(encoding="utf-8")
    assert f"ALCOVES_STORAGE_PATH={store.rstrip('/')} " in dockerfile
    # The cache has a path of its own in the settings; here it must lie where the same location finds it.
    assert f"ALCOVES_CACHE_STORAGE_PATH={store}cache " in dockerfile


def test_nginx_takes_the_configuration(tmp_path: Path) -> None:
    path = tmp_path / "nginx.conf"
    path.write_text(TEXT.replace("server web:8000;", "server 127.0.0.1:9;").replace("/tmp/", f"{tmp_path}/"))
    done = subprocess.run(
        [nginx(), "-t", "-c", str(path), "-p", str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "warn" not in done.stderr.replace("could not open error log", "")


def test_bytes_leave_with_the_headers_we_gave_them(tmp_path: Path) -> None:
    with running(tmp_path) as base:
        status, body, headers = get(f"{base}/blob")
        assert (status, body) == (200, BODY)
        assert headers["content-type"] == "image/webp"
        assert headers["content-disposition"] == 'inline; filename="a.webp"'
        assert headers["content-security-policy"] == "sandbox; default-src 'none'"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["etag"] == '"abc"'
        assert headers["cache-control"] == "private, no-cache"
        assert headers["vary"] == "Cookie, Authorization"
        assert (headers["x-robots-tag"], headers["referrer-policy"]) == ("noindex, nofollow", "no-referrer")

        status, body, headers = get(f"{base}/blob", Range="bytes=100-199")
        assert (status, body) == (206, BODY[100:200])
        assert headers["content-range"] == f"bytes 100-199/{len(BODY)}"
        assert get(f"{base}/blob", Range="bytes=0-9", If_Range='"abc"')[0] == 206
        assert get(f"{base}/blob", Range="bytes=0-9", If_Range='"other"')[0] == 200
        assert get(f"{base}/blob", Range="bytes=999999-")[0] == 416


def test_the_longest_name_arrives(tmp_path: Path) -> None:
    with running(tmp_path) as base:
        status, body, headers = get(f"{base}/named")
        assert (status, body, headers["content-disposition"]) == (200, BODY, NAMED)


def test_nobody_reaches_the_store_by_address(tmp_path: Path) -> None:
    with running(tmp_path) as base:
        assert get(f"{base}/internal-blobs/files/lib/original/blob")[0] == 404
        assert get(f"{base}/internal-blobs/../internal-blobs/files/lib/original/blob")[0] == 404


def test_the_app_is_told_who_asks_and_how(tmp_path: Path) -> None:
    with running(tmp_path) as base:
        get(f"{base}/", Host="media.example.org", X_Forwarded_Proto="https", X_Forwarded_For="198.51.100.7")
        assert Upstream.seen["X-Forwarded-Proto"] == "https"
        assert Upstream.seen["Host"] == "media.example.org"
        assert Upstream.seen["X-Forwarded-For"] == "198.51.100.7"


def test_only_files_are_handed_on_while_they_arrive(tmp_path: Path) -> None:
    Upstream.begun = []
    files = ["/api/tus", "/api/tus/0000", "/api/libraries/0000/files", "/api/files/upload-signed"]
    files += ["/api/auth/me/avatar", "/api/libraries/0000/files/0000/poster/upload"]
    with running(tmp_path) as base, contextlib.ExitStack() as stack:
        host, _, port = base.removeprefix("http://").partition(":")
        for path in ["/api/auth/login", "/api/libraries/0000/files/purge", *files]:
            client = stack.enter_context(socket.create_connection((host, int(port)), timeout=10))
            client.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{{".encode())
        wait_until(lambda: len(Upstream.begun) >= len(files), 10, "the uploads")
        assert sorted(Upstream.begun) == sorted(files)


def test_only_files_are_long(tmp_path: Path) -> None:
    long = bytes(4 * 1024 * 1024)
    with running(tmp_path) as base:
        answer = httpx.post(f"{base}/api/auth/login", content=long)
        assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
        assert httpx.post(f"{base}/api/tus/0000", content=long).status_code == 204


COOKIE = f"theme=dark; alcoves-session={SESSION}; csrftoken=x"


def asked(base: str, address: str, **headers: str) -> tuple[int, bytes, dict[str, str], list[str]]:
    """An answer, and what the web part was asked for it."""
    Upstream.asked = []
    status, body, told = get(f"{base}{address}", **headers)
    return status, body, told, Upstream.asked


def test_pictures_in_the_cache_are_sent_without_the_web_part(tmp_path: Path) -> None:
    with running(tmp_path) as base:
        status, body, headers, seen = asked(base, f"{PICTURE}?{QUERY}", Cookie=COOKIE)
        assert (status, body) == (200, BODY)
        assert seen == [f"/api/files/proxy-access/{LIBRARY}"]
        assert headers["content-type"] == "image/jpeg"
        assert headers["etag"] == f'"{VERSION}-{RECIPE.text}"'
        assert headers["cache-control"] == "private, max-age=31536000, immutable"
        assert headers["content-security-policy"] == serving.SANDBOX
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["vary"] == "Cookie, Authorization"
        assert "set-cookie" not in headers
        for address in (f"{PICTURE}?{QUERY}", f"{PICTURE.replace('Tag', 'Day')}?{QUERY}"):
            status, body, _, seen = asked(base, address, Cookie=COOKIE)
            assert (status, body, seen) == (200, BODY, []), "the web part was asked again"
        status, body, headers, seen = asked(base, f"{PICTURE}?{QUERY}", Cookie=COOKIE, Range="bytes=5-9")
        assert (status, body, seen) == (206, BODY[5:10], [])
        unsigned = f"{PICTURE}?{query_of(RECIPE, VERSION)}"
        assert asked(base, unsigned, Authorization=TOKEN)[:2] == (200, BODY)
        assert httpx.head(f"{base}{PICTURE}?{QUERY}", headers={"cookie": COOKIE}).status_code == 200


def test_pictures_that_the_client_has_are_not_sent_again(tmp_path: Path) -> None:
    tag = f'"{VERSION}-{RECIPE.text}"'
    with running(tmp_path) as base:
        status, body, headers, seen = asked(base, f"{PICTURE}?{QUERY}", Cookie=COOKIE, If_None_Match=tag)
        assert (status, body) == (304, b"")
        assert seen == [f"/api/files/proxy-access/{LIBRARY}"], "only members learn that it has not changed"
        assert headers["etag"] == tag
        assert headers["cache-control"] == "private, max-age=31536000, immutable"
        assert headers["content-security-policy"] == serving.SANDBOX
        assert asked(base, f"{PICTURE}?{QUERY}", Cookie=COOKIE, If_None_Match='"x"')[:2] == (200, BODY)
        stranger = COOKIE.replace(SESSION, SESSION[::-1])
        for who in ({}, {"Cookie": stranger}):
            refused = asked(base, f"{PICTURE}?{QUERY}", If_None_Match=tag, **who)
            assert refused[:2] == (404, b"no such picture")


def test_whoever_names_the_tag_is_answered_by_the_web_part(tmp_path: Path) -> None:
    tag = f'"{VERSION}-{RECIPE.text}"'
    with running(tmp_path) as base:
        status, body, _, seen = asked(base, f"{PICTURE}?{QUERY}", Cookie=COOKIE, If_Match=tag)
        assert (status, body, seen) == (200, b"by the web part", [f"{PICTURE}?{QUERY}"])


def test_strangers_get_what_the_web_part_says(tmp_path: Path) -> None:
    with running(tmp_path) as base:
        assert asked(base, f"{PICTURE}?{QUERY}", Cookie=COOKIE)[0] == 200
        other = COOKIE.replace(SESSION, SESSION[::-1])
        for headers in (
            {},
            {"Cookie": other},
            {"Authorization": "Bearer alc_wrong"},
        ):
            status, body, _, seen = asked(base, f"{PICTURE}?{QUERY}", **headers)
            assert (status, body) == (404, b"no such picture"), headers
            assert seen[-1] == f"{PICTURE}?{QUERY}"
        renamed = f"x{COOKIE.partition('; ')[2]}"
        assert asked(base, f"{PICTURE}?{QUERY}", Cookie=renamed)[1] == b"by the web part"
        # A member of one library is a stranger in another.
        elsewhere = PICTURE.replace(LIBRARY, FILE)
        assert asked(base, f"{elsewhere}?{QUERY}", Cookie=COOKIE)[0] == 404
        # The kept answer is of a session and a token together.
        assert asked(base, f"{PICTURE}?{QUERY}", Cookie=COOKIE, Authorization="Bearer x")[3] != []


def test_of_two_sessions_the_one_that_is_kept_is_the_one_that_was_shown(tmp_path: Path) -> None:
    stranger = SESSION[::-1]
    with running(tmp_path) as base:
        both = f"alcoves-session={stranger}; alcoves-session={SESSION}"
        status, body, _, seen = asked(base, f"{PICTURE}?{QUERY}", Cookie=both)
        assert seen[0] == f"/api/files/proxy-access/{LIBRARY}"
        assert (status, body) == (200, b"by the web part"), "nginx goes by the first, which is a stranger's"
        assert asked(base, f"{PICTURE}?{QUERY}", Cookie=f"alcoves-session={stranger}")[0] == 404


@pytest.mark.parametrize(
    "address",
    [
        f"{PICTURE}?{QUERY.replace(VERSION, 'cd' * 16)}",
        f"{PICTURE}?{QUERY.replace(VERSION, VERSION[:31])}",
        f"{PICTURE}?{QUERY.replace(VERSION, '../../../../files/lib/original/blob')}",
        f"{PICTURE}?{QUERY.replace('jpeg', 'jpeg/../../blob')}",
        f"{PICTURE}?{QUERY.replace('jpeg', '../blob')}",
        f"{PICTURE}?{QUERY.replace('720', '0720')}",
        f"{PICTURE}?{QUERY.replace('720', '720%00')}",
        f"{PICTURE}?{QUERY.replace('720', '720/..')}",
        f"{PICTURE}?{QUERY}&width=1",
        f"{PICTURE}?{query_of(RECIPE)}",
        f"{PICTURE}?v={VERSION}&{query_of(RECIPE)}",
        f"{PICTURE}?{QUERY.upper()}",
        PICTURE,
    ],
)
def test_other_spellings_are_for_the_web_part(address: str, tmp_path: Path) -> None:
    with running(tmp_path) as base:
        status, body, _, seen = asked(base, address, Cookie=COOKIE)
        assert (status, body) == (200, b"by the web part")
        assert seen[-1] == address, "as it was asked"


def test_no_address_leads_to_the_internal_ones(tmp_path: Path) -> None:
    inside = KEY.removeprefix("variants/")
    with running(tmp_path) as base:
        for address in (f"/internal-pictures/{inside}", "/internal-pictures/../internal-blobs/cache/" + KEY):
            assert get(f"{base}{address}", Cookie=COOKIE)[1] != BODY
        assert get(f"{base}/internal-access", Cookie=COOKIE)[0] == 404
        tag = f'"{VERSION}-{RECIPE.text}"'
        assert get(f"{base}/api/files/proxy/unchanged", Cookie=COOKIE, If_None_Match=tag)[0] != 304
        answer = httpx.post(f"{base}{PICTURE}?{QUERY}", content=b"x", headers={"cookie": COOKIE})
        assert answer.status_code == 204, "the web part took it"


def test_a_link_in_the_cache_is_not_followed(tmp_path: Path) -> None:
    with running(tmp_path) as base:
        picture = tmp_path / "store/cache" / KEY
        picture.unlink()
        picture.symlink_to(tmp_path / "store/files/lib/original/blob")
        assert asked(base, f"{PICTURE}?{QUERY}", Cookie=COOKIE)[1] == b"by the web part"


def test_the_session_has_the_name_it_has() -> None:
    assert TEXT.count(f"{settings.SESSION_COOKIE_NAME}=") == 2
