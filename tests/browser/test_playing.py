"""Chromium itself on our table of what browsers play, and on the type strings that players are told."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Route

from media.derivers.proxy import ProxyDeriver
from media.probing import probe
from media.sniffing import sniff_path
from media.transcoding import codecs
from tests.browser.driving import WITH_BROWSER, chromium
from tests.makers import make_tone, make_video
from tests.media.derivers.contexts import derive
from tests.media.derivers.test_proxy_shared import PLAYED

pytestmark = [
    *WITH_BROWSER,
]
HOST = "http://films.invalid"
PLAYS = """url => new Promise(done => {
    const player = document.createElement('video');
    player.muted = true;
    player.onerror = () => done('error: ' + player.error.message);
    player.onseeked = () => done([player.videoWidth, player.videoHeight]);
    player.oncanplay = () => { player.oncanplay = null; player.currentTime = player.duration / 4; };
    setTimeout(() => done('nothing happens'), 20000);
    player.src = url;
})"""


@contextmanager
def tab_with(films: dict[str, tuple[Path, str]]) -> Iterator[Page]:
    """An empty page of a host that has nothing but these films, by the end of their addresses."""

    def answer(route: Route) -> None:
        name = route.request.url.removeprefix(f"{HOST}/")
        if name not in films:
            route.fulfill(body="", content_type="text/html")
            return
        path, mime = films[name]
        whole = path.read_bytes()
        start = int(route.request.headers.get("range", "bytes=0-").removeprefix("bytes=").partition("-")[0])
        told = {"Content-Range": f"bytes {start}-{len(whole) - 1}/{len(whole)}", "Accept-Ranges": "bytes"}
        route.fulfill(status=206, body=whole[start:], headers={**told, "Content-Type": mime})

    with chromium() as browser:
        page = browser.new_page()
        page.route(f"{HOST}/**", answer)
        page.goto(HOST)
        yield page


@pytest.mark.shared
def test_what_is_on_the_table_plays_and_seeks(shared_media: Path) -> None:
    films = {name: (shared_media / name, sniff_path(shared_media / name).mime) for name in PLAYED}
    with tab_with(films) as page:
        told = {name: page.evaluate(PLAYS, f"{HOST}/{name}") for name in PLAYED}
    assert {name: found for name, found in told.items() if not isinstance(found, list)} == {}
    for name in ("video/phone_rot_plus90.mp4", "video/phone_rot_minus90_portrait.mp4"):
        assert told[name] == [640, 424]


@pytest.mark.shared
def test_the_browser_knows_the_types_of_what_is_on_the_table(shared_media: Path) -> None:
    types = {name: type_of(shared_media / name) for name in PLAYED}
    with tab_with({}) as page:
        ask = "type => document.createElement('video').canPlayType(type)"
        told = {name: page.evaluate(ask, named) for name, named in types.items()}
    assert {name: types[name] for name, found in told.items() if found not in {"probably", "maybe"}} == {}
    with_codecs = {name for name, named in types.items() if "codecs=" in named}
    assert {name: types[name] for name in with_codecs if told[name] != "probably"} == {}


def type_of(path: Path) -> str:
    sniffed = sniff_path(path)
    return codecs.type_of(sniffed.mime, probe(path, sniffed).as_json())


@pytest.mark.parametrize("name", ["a.mp4", "b.mkv", "c.aiff"])
def test_proxies_play_seek_and_are_known_by_their_type(tmp_path: Path, name: str) -> None:
    source = tmp_path / name
    makers: dict[str, Any] = {
        "a.mp4": lambda: make_video(source, codec="libx265", seconds=3),
        "b.mkv": lambda: make_video(source, seconds=3, options=["-c:a", "ac3"]),
        "c.aiff": lambda: make_tone(source, seconds=3),
    }
    makers[name]()
    result = derive(ProxyDeriver(), source, tmp_path / "scratch")
    output = result.outputs[0]
    with tab_with({"proxy": (output.path, output.content_type)}) as page:
        assert page.evaluate("type => MediaSource.isTypeSupported(type)", result.facts["type"])
        assert page.evaluate(PLAYS, f"{HOST}/proxy") == ([0, 0] if name == "c.aiff" else [320, 180])


@pytest.mark.parametrize(("codec", "playable"), [("libx265", False), ("mpeg4", False), ("libx264", True)])
def test_the_browser_says_the_same_as_the_table(tmp_path: Path, codec: str, playable: bool) -> None:
    """HEVC is played where a graphics card can, so that only the software of the browser is asked."""
    source = make_video(tmp_path / "a.mp4", codec=codec, seconds=1)
    with tab_with({}) as page:
        named = type_of(source)
        known = "codecs=" in named and page.evaluate("type => MediaSource.isTypeSupported(type)", named)
    assert known is playable
