"""The page of a film in harder light: keys alone, sharp and narrow screens, long sound, a server that is away."""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from PIL import Image
from playwright.sync_api import Page, Response, expect

from media import ledger, runs
from media.models import Derivative, File, Library
from media.tools import ffmpeg
from tests.browser.driving import WITH_BROWSER
from tests.browser.test_films import film, made, open_page, pixels
from tests.browser.test_gallery import one_loop, owned, page
from tests.ingesting import run_queued, take_in
from tests.makers import make_tone, make_video

__all__ = ["film", "made", "one_loop", "owned", "page"]
pytestmark = [
    *WITH_BROWSER,
    pytest.mark.django_db(transaction=True),
]
SUBTITLES = "1\n00:00:00,000 --> 00:00:04,000\nThe sea\n"


def answers(page: Page, part: str) -> list[Response]:
    """What came of addresses with this in their path, from now on."""
    found: list[Response] = []
    page.on("response", lambda one: found.append(one) if part in urlsplit(one.url).path else None)
    return found


def proxy_runs(progress: int) -> None:
    Derivative.objects.filter(deriver="proxy").update(
        status="processing",
        progress=progress,
        eta_seconds=75,
        lease_owner="w",
        lease_expires_at="2100-01-01T00:00Z",
    )


def test_keys_move_and_say_where(page: Page, made: File) -> None:
    open_page(page, made)
    expect(page.get_by_label("Player")).to_have_js_property("readyState", 4, timeout=10_000)
    slider = page.get_by_role("slider", name="Position")
    expect(slider).to_have_attribute("aria-valuenow", "0")
    expect(slider).to_have_attribute("aria-valuetext", "0:00")
    slider.focus()
    for key, second in (
        *(("ArrowRight", 5), ("ArrowUp", 10), ("ArrowDown", 5), ("PageUp", 7.4), (".", 7.44)),
        *((",", 7.4), ("PageDown", 5), ("ArrowLeft", 0), ("ArrowLeft", 0)),
    ):
        slider.press(key)
        assert float(slider.get_attribute("aria-valuenow") or "") == pytest.approx(second, abs=0.03), key
    page.wait_for_function("() => document.querySelector('canvas.timeline').dataset.sprites > 0")
    slider.press("End")
    expect(slider).to_have_attribute("aria-valuetext", "0:24")
    expect(page.locator(".sprite")).to_be_visible()
    slider.press("Home")
    expect(slider).to_have_attribute("aria-valuetext", "0:00")
    slider.press("z")
    expect(slider).to_have_attribute("data-visible", "12.02")
    page.get_by_label("Name of the moment").focus()
    expect(page.locator(".sprite")).to_be_hidden()


def test_keys_of_the_browser_stay_with_it(page: Page, made: File) -> None:
    """Search and zoom: whoever needs large letters needs them here too."""
    open_page(page, made)
    slider = page.get_by_role("slider", name="Position")
    page.get_by_role("button", name="Zoom in").click()
    expect(slider).to_have_attribute("data-visible", "12.02")
    taken = """(element, [key, name]) => {
        const event = new KeyboardEvent('keydown', { key, [name]: true, cancelable: true });
        return !element.dispatchEvent(event);
    }"""
    for key, held in (("f", "ctrlKey"), ("+", "ctrlKey"), ("-", "metaKey"), ("ArrowLeft", "altKey")):
        assert slider.evaluate(taken, [key, held]) is False
    expect(slider).to_have_attribute("data-visible", "12.02")


def test_a_sharp_screen_gets_all_its_pixels(page: Page, made: File) -> None:
    browser = page.context.browser
    assert browser is not None
    sharp = browser.new_context(
        device_scale_factor=2,
        base_url="/".join(page.url.split("/")[:3]),
        storage_state=page.context.storage_state(),
    )
    fine = sharp.new_page()
    open_page(fine, made)
    canvas = fine.locator("canvas.timeline")
    fine.wait_for_function("() => document.querySelector('canvas.timeline')?.dataset.levels > 0")
    assert canvas.evaluate("element => element.width / element.clientWidth") == pytest.approx(2, abs=0.01)
    assert canvas.evaluate("element => element.height / element.clientHeight") == 2
    assert pixels(canvas)[160:, :].std() > 5
    sharp.close()


def test_nothing_sticks_out_of_a_narrow_screen(page: Page, made: File) -> None:
    page.set_viewport_size({"width": 400, "height": 800})
    open_page(page, made)
    page.wait_for_function("() => document.querySelector('canvas.timeline')?.dataset.levels > 0")
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


def test_long_sound_is_drawn_from_few_bytes(page: Page, owned: Library, tmp_path: Path) -> None:
    """Sixty thousand peaks: a card takes the coarsest level, the page as much as it shows, and nobody JSON."""
    file = take_in(owned, make_tone(tmp_path / "a.wav", seconds=1200, rate=8000), "a.wav").file
    run_queued(1)
    came = answers(page, "waveform")
    open_page(page, file)
    run_queued()
    canvas = page.locator("canvas.timeline")
    page.wait_for_function("() => document.querySelector('canvas.timeline')?.dataset.levels == 1")
    assert [len(one.body()) for one in came] == [24 + 938]
    for _ in range(11):
        page.get_by_role("button", name="Zoom in").click()
    # The last one goes to where a second fills the screen.
    expect(canvas).to_have_attribute("data-visible", "1")
    page.wait_for_function(
        "() => performance.getEntriesByType('resource').some(one => one.transferSize > 60000)"
    )
    page.wait_for_load_state("networkidle")
    sizes = [len(one.body()) for one in came]
    assert sizes == sorted(set(sizes)), "each level once"
    assert sizes[-1] == 24 + 60_000
    assert {one.headers["content-type"] for one in came} == {"application/octet-stream"}
    came.clear()
    page.goto("/")
    card = page.locator("canvas.wave")
    expect(card).to_be_visible()
    page.wait_for_load_state("networkidle")
    assert pixels(card).std() > 10
    assert [len(one.body()) for one in came] == [24 + 938]


def test_subtitles_are_shown_also_when_they_come_late(page: Page, owned: Library, tmp_path: Path) -> None:
    (tmp_path / "a.srt").write_text(SUBTITLES)
    path, bare = tmp_path / "a.mkv", make_video(tmp_path / "b.mp4", seconds=5)
    mapped: list[str | Path] = [
        "-i",
        bare,
        "-i",
        tmp_path / "a.srt",
        "-map",
        "0",
        "-map",
        "1",
        "-c",
        "copy",
        "-c:s",
        "srt",
    ]
    words = ["-metadata:s:s:0", "title=Words", "-metadata:s:s:0", "language=eng"]
    ffmpeg.run([*mapped, *words, "-disposition:s:0", "default", path], timeout=30)
    file = take_in(owned, path, "a.mkv").file
    run_queued(1)
    while (row := ledger.waiting().exclude(deriver="subtitles").first()) is not None:
        runs.run(row.pk)
    open_page(page, file)
    expect(page.get_by_label("Player")).to_have_js_property("readyState", 4, timeout=10_000)
    expect(page.locator("track")).to_have_count(0)
    run_queued()
    page.wait_for_function("() => document.querySelector('video').textTracks[0]?.cues?.length === 1")
    page.evaluate("document.querySelector('video').currentTime = 1")
    page.wait_for_function("() => document.querySelector('video').textTracks[0]?.activeCues?.length === 1")
    [track] = page.evaluate(
        "[...document.querySelector('video').textTracks].map(one => [one.label, one.language, one.mode])"
    )
    assert track == ["Words", "eng", "showing"]
    assert page.evaluate("document.querySelector('video').textTracks[0].activeCues[0].text") == "The sea"


def test_a_server_that_comes_back_is_asked_again(page: Page, film: File) -> None:
    run_queued(1)
    open_page(page, film)
    expect(page.locator("#proxy-state")).to_contain_text("waits to be made")
    page.route("**/playback-sources", lambda route: route.fulfill(status=503, body="{}"))
    problem = page.locator("#problem")
    expect(problem).to_contain_text("The server answered 503", timeout=10_000)
    page.unroute("**/playback-sources")
    expect(problem).to_be_hidden(timeout=10_000)
    proxy_runs(42)
    expect(page.locator("#proxy-state")).to_contain_text("42 %, 1:15 left", timeout=10_000)


def test_the_focus_stays_and_one_question_is_asked_at_a_time(page: Page, film: File) -> None:
    run_queued(1)
    proxy_runs(10)
    open_page(page, film)
    row = page.locator("#derivatives tr", has_text="proxy")
    expect(row).to_contain_text("10 %")
    for deriver in ("hover", "loudness", "sprites"):
        page.locator("#derivatives tr", has_text=deriver).get_by_role("button", name="Cancel").click()
        expect(page.locator("#derivatives tr", has_text=deriver)).to_contain_text("failed")
    row.get_by_role("button", name="Cancel").focus()
    came = answers(page, "playback-sources")
    for percent in (20, 30):
        proxy_runs(percent)
        expect(row).to_contain_text(f"{percent} %", timeout=10_000)
        expect(row.get_by_role("button", name="Cancel")).to_be_focused()
    spoken = page.locator("#proxy-state [role=status]")
    expect(spoken).to_have_text("A version for every browser is being made")
    # Three clicks have not become three rounds of questions every two seconds.
    before = len(came)
    page.wait_for_timeout(4500)
    assert 1 <= len(came) - before <= 3


def test_a_recording_gets_a_cover_and_tells_its_loudness(page: Page, owned: Library, tmp_path: Path) -> None:
    file = take_in(owned, make_tone(tmp_path / "a.wav", amplitude=0.5), "a.wav").file
    run_queued()
    open_page(page, file)
    expect(page.locator("#details")).to_contain_text("LUFS")
    expect(page.locator("img.cover")).to_have_count(0)
    Image.new("RGB", (320, 320), (200, 40, 40)).save(tmp_path / "own.png")
    page.get_by_label("Picture for the poster").set_input_files(tmp_path / "own.png")
    expect(page.get_by_alt_text("Cover")).to_have_js_property("complete", True, timeout=10_000)
    cover: Any = pixels(page.get_by_alt_text("Cover"))
    assert cover[cover.shape[0] // 2, cover.shape[1] // 2].tolist() == pytest.approx([200, 40, 40], abs=12)
