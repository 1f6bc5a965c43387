from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from alcoves.accounts.models import User
from media.libraries import set_member
from media.models import Derivative, File, Library
from tests.ingesting import run_queued, take_in
from tests.makers import make_video
from tests.media.api.conftest import finish
from tests.media.api.test_bytes import body

JSON = "application/json"
PROXY = b"\0\0\0\x18ftypisom" + b"\2" * 900
FACTS = {
    "width": 1920,
    "height": 1080,
    "duration": 12.5,
    "bit_rate": 4_000_000,
    "video_codec": "h264",
    "audio_codec": "aac",
    "type": 'video/mp4; codecs="avc1.640029, mp4a.40.2"',
}
HEVC = {
    "kind": "video",
    "width": 3840,
    "height": 2160,
    "duration": 12.5,
    "bit_rate": 30_000_000,
    "video": {"codec": "hevc", "profile": "Main", "level": 153, "stored_width": 3840, "stored_height": 2160},
    "audio": [{"index": 1, "codec": "aac", "profile": "LC", "channels": 2, "sample_rate": 48_000}],
}
PLAIN = {
    **HEVC,
    "width": 1280,
    "height": 720,
    "bit_rate": 3_000_000,
    "video": {
        "codec": "h264",
        "profile": "High",
        "level": 31,
        "pix_fmt": "yuv420p",
        "stored_width": 1280,
        "stored_height": 720,
    },
}


@pytest.fixture
def film(library: Library) -> File:
    file = take_in(library, b"\0\0\0\x18ftypmp42" + b"\1" * 500, "Our holiday.mp4").file
    return probed(file, HEVC)


def probed(file: File, facts: dict[str, Any]) -> File:
    original = file.original
    original.kind = "video"
    original.probe, original.width, original.height = facts, facts["width"], facts["height"]
    original.duration = facts["duration"]
    original.save()
    return file


def url(file: File, end: str = "playback-sources") -> str:
    return f"/api/libraries/{file.library_id}/files/{file.pk}/{end}"


def proxied(file: File) -> Derivative:
    return finish(file, "proxy", {"proxy.mp4": (PROXY, "video/mp4")}, FACTS)


def test_the_original_alone_before_there_is_a_proxy(film: File, as_bob: Client) -> None:
    told = as_bob.get(url(film)).json()
    (source,) = told["sources"]
    assert (source["kind"], source["url"]) == ("original", url(film, "original"))
    assert source["type"] == 'video/mp4; codecs="hvc1.1.6.L153.B0, mp4a.40.2"'
    assert (source["mimeType"], source["videoCodec"], source["audioCodec"]) == ("video/mp4", "hevc", "aac")
    assert (source["width"], source["height"], source["bitRate"]) == (3840, 2160, 30_000_000)
    assert (source["playable"], source["reason"], source["default"]) == (False, "video_codec", True)
    assert source["label"] == "Original, 3840 x 2160"
    assert told["default"] == "original"
    assert told["proxy_status"] is None
    assert told["subtitles"] == []


def test_the_proxy_is_the_default_where_the_original_does_not_play(film: File, as_bob: Client) -> None:
    proxied(film)
    told = as_bob.get(url(film)).json()
    assert [source["kind"] for source in told["sources"]] == ["original", "proxy"]
    original, proxy = told["sources"]
    assert (original["default"], proxy["default"], told["default"]) == (False, True, "proxy")
    assert (proxy["type"], proxy["playable"], proxy["size"]) == (FACTS["type"], True, len(PROXY))
    assert proxy["label"] == "Proxy, 1920 x 1080"
    assert told["proxy_status"] == "ready"
    assert body(as_bob.get(proxy["url"])) == PROXY


def test_an_original_that_plays_stays_the_default(film: File, as_bob: Client) -> None:
    probed(film, PLAIN)
    proxied(film)
    told = as_bob.get(url(film)).json()
    assert told["default"] == "original"
    assert [source["playable"] for source in told["sources"]] == [True, True]


def test_before_the_headers_were_read(library: Library, as_bob: Client) -> None:
    file = take_in(library, b"\0\0\0\x18ftypmp42" + b"\1" * 500, "a.mp4").file
    (source,) = as_bob.get(url(file)).json()["sources"]
    assert (source["playable"], source["reason"], source["width"]) == (False, None, None)
    assert source["type"].endswith("/mp4")


def test_pictures_have_nothing_to_play(file: File, as_bob: Client) -> None:
    told = as_bob.get(url(file)).json()
    assert (told["sources"], told["default"]) == ([], None)


def test_subtitles_are_listed_and_served_as_text(film: File, as_bob: Client) -> None:
    tracks = [
        {"index": 2, "language": "eng", "title": None, "default": True, "forced": False, "name": "2.vtt"},
        {"index": 3, "language": "fre", "title": "Forced", "default": False, "forced": True, "name": "3.vtt"},
    ]
    vtt = (b"WEBVTT\n\n00:00.000 --> 00:01.000\nhello\n", "text/vtt; charset=utf-8")
    finish(film, "subtitles", {"2.vtt": vtt, "3.vtt": vtt}, {"tracks": tracks})
    found = as_bob.get(url(film)).json()["subtitles"]
    assert [(one["language"], one["title"], one["default"], one["forced"]) for one in found] == [
        ("eng", None, True, False),
        ("fre", "Forced", False, True),
    ]
    answer = as_bob.get(found[1]["url"])
    assert (answer.status_code, body(answer)) == (200, vtt[0])
    assert answer["Content-Type"] == "text/vtt; charset=utf-8"
    assert answer["X-Content-Type-Options"] == "nosniff"


def test_the_proxy_is_served_by_range(film: File, as_bob: Client) -> None:
    proxied(film)
    whole = as_bob.get(url(film, "proxy"))
    assert (whole.status_code, body(whole), whole["Content-Type"]) == (200, PROXY, "video/mp4")
    assert whole["Accept-Ranges"] == "bytes"
    part = as_bob.get(url(film, "proxy"), headers={"range": "bytes=4-11"})
    assert (part.status_code, body(part)) == (206, b"ftypisom")
    assert part["Content-Range"] == f"bytes 4-11/{len(PROXY)}"
    assert as_bob.get(url(film, "proxy"), headers={"range": "bytes=5000-"}).status_code == 416
    assert as_bob.get(url(film, "proxy"), headers={"if-none-match": whole["ETag"]}).status_code == 304


def test_the_address_of_the_proxy_may_be_kept(film: File, as_bob: Client) -> None:
    proxied(film)
    address = as_bob.get(url(film)).json()["sources"][1]["url"]
    assert "immutable" in as_bob.get(address)["Cache-Control"]
    assert "immutable" not in as_bob.get(url(film, "proxy") + "?v=other")["Cache-Control"]


def test_the_proxy_can_be_saved_under_the_name_of_the_film(film: File, as_bob: Client) -> None:
    proxied(film)
    told = as_bob.get(url(film, "proxy") + "?download=1")["Content-Disposition"]
    assert told.startswith("attachment")
    assert "Our holiday" in told
    assert as_bob.get(url(film, "proxy"))["Content-Disposition"].startswith("inline")


def test_no_proxy_is_told_in_a_sentence(film: File, as_bob: Client) -> None:
    answer = as_bob.get(url(film, "proxy"))
    assert answer.status_code == 404
    assert "POST" in answer.json()["message"]


def test_asking_for_a_proxy(film: File, as_alice: Client) -> None:
    answer = as_alice.post(url(film, "proxy"), {}, JSON)
    assert answer.status_code == 202
    assert answer.json()["proxy_status"] == "queued"
    row = Derivative.objects.get(deriver="proxy")
    assert (row.queue, row.parameters) == ("video-transcode", {})


def test_an_older_proxy_stays_while_another_is_made(film: File, as_alice: Client) -> None:
    proxied(film)
    told = as_alice.post(url(film, "proxy"), {}, JSON).json()
    assert (told["proxy_status"], told["proxy_version"], told["proxied_version"]) == ("queued", 2, 1)
    assert body(as_alice.get(url(film, "proxy"))) == PROXY


def test_force_is_kept_until_it_is_taken_back(film: File, as_alice: Client) -> None:
    for given, kept in (
        ({"force": True}, {"force": True}),
        ({}, {"force": True}),
        ({"force": False}, {"force": False}),
    ):
        assert as_alice.post(url(film, "proxy"), given, JSON).status_code == 202
        assert Derivative.objects.get(deriver="proxy").parameters == kept


def test_who_may_ask(film: File, as_bob: Client, as_charlie: Client, bob: User, library: Library) -> None:
    for end in ("playback-sources", "proxy"):
        assert as_charlie.get(url(film, end)).status_code == 404
        assert Client().get(url(film, end)).status_code in {401, 403}
    assert as_charlie.post(url(film, "proxy"), {}, JSON).status_code == 404
    refused = as_bob.post(url(film, "proxy"), {}, JSON)
    assert (refused.status_code, refused.json()["code"]) == (403, "not_allowed")
    assert not Derivative.objects.filter(deriver="proxy").exists()
    set_member(library, bob, "admin")
    assert as_bob.post(url(film, "proxy"), {}, JSON).status_code == 202


def test_what_cannot_be_asked_for(film: File, file: File, as_alice: Client) -> None:
    assert as_alice.post(url(film, "proxy"), {"force": "perhaps"}, JSON).status_code == 400
    picture = as_alice.post(url(file, "proxy"), {}, JSON)
    assert (picture.status_code, picture.json()["code"]) == (409, "not_accepted")
    File.objects.filter(pk=film.pk).update(trashed_at="2025-01-01T00:00Z")
    trashed = as_alice.post(url(film, "proxy"), {}, JSON)
    assert (trashed.status_code, trashed.json()["code"]) == (409, "in_trash")


def test_few_queries(film: File, as_bob: Client, django_assert_max_num_queries: Any) -> None:
    proxied(film)
    as_bob.get(url(film))
    with django_assert_max_num_queries(6):
        as_bob.get(url(film))


@pytest.mark.django_db(transaction=True)
def test_from_an_upload_to_a_proxy_on_demand(
    library: Library, tmp_path: Path, as_alice: Client, settings: Any
) -> None:
    """A film that browsers play needs none; a person gets one all the same."""
    settings.DERIVERS = {
        "metadata": "media.derivers.metadata.MetadataDeriver",
        "proxy": "media.derivers.proxy.ProxyDeriver",
    }
    file = take_in(library, make_video(tmp_path / "a.mp4", seconds=1), "a.mp4").file
    run_queued()
    told = as_alice.get(url(file)).json()
    assert (told["proxy_status"], told["default"]) == ("not_needed", "original")
    assert told["sources"][0]["playable"] is True
    assert as_alice.post(url(file, "proxy"), {"force": True}, JSON).status_code == 202
    run_queued()
    told = as_alice.get(url(file)).json()
    assert told["proxy_status"] == "ready"
    assert [source["kind"] for source in told["sources"]] == ["original", "proxy"]
    proxy = told["sources"][1]
    assert (proxy["videoCodec"], proxy["width"], proxy["duration"]) == (
        "h264",
        320,
        pytest.approx(1.0, abs=0.1),
    )
    assert body(as_alice.get(proxy["url"]))[4:8] == b"ftyp"
