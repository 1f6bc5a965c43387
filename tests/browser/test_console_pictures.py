"""What a member of staff sees of a film on its page: poster, wave, and each second of it under a slider."""

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from django.urls import reverse
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from alcoves.accounts.roles import OPERATOR
from media.models import Derivative, File
from media.models.blob import FILES
from storage.registry import get_store
from tests.browser.driving import WITH_BROWSER, log_in, look_in_both, looking, operating
from tests.browser.test_films import SECONDS, film, made
from tests.browser.test_gallery import one_loop, owned
from tests.staffing import member

__all__ = ["film", "made", "one_loop", "owned"]
pytestmark = [*WITH_BROWSER, pytest.mark.django_db(transaction=True)]
DRAWN = "element => element.complete && element.naturalWidth > 1"


@pytest.fixture
def shown(made: File, live_server: Any) -> Iterator[Page]:
    with operating(live_server, reverse("admin:media_file_change", args=(made.pk,))) as page:
        yield page


def seen(element: Locator) -> Any:
    with Image.open(io.BytesIO(element.screenshot())) as shot:
        return np.asarray(shot.convert("RGB")).astype(int)


@pytest.mark.parametrize("width", [1280, 390])
def test_a_film_is_seen_on_its_page(shown: Page, made: File, width: int) -> None:
    shown.set_viewport_size({"width": width, "height": 900})
    pictures = shown.locator(".console-shown img")
    expect(pictures).to_have_count(3)
    for at in range(3):
        pictures.nth(at).scroll_into_view_if_needed()
        picture = pictures.nth(at).element_handle()
        assert picture is not None
        shown.wait_for_function(DRAWN, arg=picture)
    assert seen(shown.locator(".console-wave")).std() > 5, "there is a wave to be seen"
    look_in_both(shown, f"console-film-{width}")


def test_the_slider_shows_the_seconds_of_the_film(shown: Page, made: File) -> None:
    frame, slider = shown.locator(".console-film .frame"), shown.get_by_label("Second of the film")
    expect(slider).to_have_attribute("max", str(SECONDS))
    shown.wait_for_load_state("networkidle")
    first = seen(frame)
    assert first.std() > 5, "there is a picture to be seen"
    slider.fill(str(SECONDS // 2))
    later = seen(frame)
    assert first.shape == later.shape
    assert np.abs(first - later).mean() > 1, "another second has another picture"
    frame.hover(position={"x": 1, "y": 5})
    assert int(slider.input_value()) < 2
    slider.fill(str(SECONDS))
    assert seen(frame).std() > 5, "the end of the film has a picture too"


def test_a_film_whose_map_is_gone_has_no_slider(made: File, live_server: Any) -> None:
    row = Derivative.objects.get(deriver="sprites")
    lost = next(output for output in row.outputs if output["name"] == "sprites.vtt")
    get_store(FILES).delete(lost["key"])
    member(OPERATOR, "ops@example.org")
    address = reverse("admin:media_file_change", args=(made.pk,))
    with looking(live_server, forgiven=lambda told: "status of 404" in told) as page:
        log_in(page, "ops@example.org", "a-long-password", address)
        expect(page.locator(".console-shown img")).to_have_count(3)
        expect(page.locator(".console-film")).to_have_count(0)
