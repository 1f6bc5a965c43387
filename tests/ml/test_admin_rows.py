"""The console's pages of what models have said: they open, show pictures, find rows by indexes, and stay quick."""

import re
from typing import Any
from uuid import uuid4

import pytest
from django.contrib import admin
from django.db import connection, models
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from alcoves.accounts.models import User
from media.models import File, Library
from ml.models import ObjectDetection, PictureEmbedding, SoundEvent, Transcript, TranscriptSegment
from tests.media.api.conftest import finish
from tests.ml.search.things import derived, holds, put, says, sounds_of

THUMB = b"RIFF\x1a\0\0\0WEBPVP8 " + b"\1" * 90
PAGES = [ObjectDetection, SoundEvent, Transcript, PictureEmbedding]


@pytest.fixture
def root(db: None, client: Client) -> Client:
    client.force_login(User.objects.create_superuser("root@example.org", "root-password"))
    return client


def add(library: Library, number: int) -> File:
    """A picture with a thumbnail, and everything that a model could have said of it."""
    file = put(library, f"{number}.jpg")
    facts = {"thumb_width": 480, "thumb_height": 240}
    finish(file, "preview", {"thumb.webp": (THUMB, "image/webp")}, facts)
    holds(file, "<b>dog")
    sounds_of(file, "<b>bark", 10.0)
    says(file, "en", "<b>Hello", "and goodbye")
    PictureEmbedding.objects.create(
        library=library,
        original_id=file.original_id,
        derivative=derived(file, "embedding"),
        model="some-model",
        embedding=[0.5] * 8,
        fingerprint=-1,
    )
    return file


@pytest.fixture
def file(library: Library) -> File:
    return add(library, 0)


def page(model: type[models.Model], kind: str, *args: Any) -> str:
    return reverse(f"admin:ml_{model._meta.model_name}_{kind}", args=args)


def text_of(client: Client, address: str, **query: Any) -> str:
    answer = client.get(address, query)
    assert answer.status_code == 200, address
    return answer.content.decode()


def row_of(model: Any) -> Any:
    return model.objects.get()


@pytest.mark.parametrize("model", PAGES, ids=lambda one: one.__name__)
def test_pages_open_and_nothing_is_edited(model: type[models.Model], root: Client, file: File) -> None:
    row = row_of(model)
    for address in (page(model, "changelist"), page(model, "change", row.pk)):
        text = text_of(root, address)
        assert "thumb.webp" in text
        assert "<b>" not in text
    assert root.get(page(model, "add")).status_code == 403
    assert root.post(page(model, "change", row.pk), {"label": "X"}).status_code == 403
    assert root.post(page(model, "delete", row.pk), {"post": "yes"}).status_code == 403


@pytest.mark.parametrize("model", PAGES, ids=lambda one: one.__name__)
def test_members_who_are_no_staff_do_not_get_in(model: type[models.Model], file: File, bob: User) -> None:
    client = Client()
    client.force_login(bob)
    assert client.get(page(model, "changelist")).status_code == 302


def test_a_picture_has_the_box_in_it_and_no_style(root: Client, file: File) -> None:
    text = text_of(root, page(ObjectDetection, "changelist"))
    assert '<svg viewBox="0 0 480 240" width="192" height="96"' in text
    assert '<rect x="48.0" y="24.0" width="96.0" height="48.0"' in text
    assert " style=" not in text.partition("<svg")[2].partition("</svg>")[0]


def test_a_poster_of_another_moment_has_no_box(root: Client, library: Library) -> None:
    film = put(library, "a.mp4", kind="video")
    finish(film, "poster", {"poster.webp": (THUMB, "image/webp")})
    holds(film, "dog", second=4.0)
    text = text_of(root, page(ObjectDetection, "changelist"))
    assert "poster.webp" in text
    assert "<svg viewBox" not in text


def test_rows_of_files_without_a_picture(root: Client, library: Library) -> None:
    holds(put(library, "a.jpg"), "dog")
    bare = put(library, "b.jpg")
    finish(bare, "preview", {"thumb.webp": (THUMB, "image/webp")})
    holds(bare, "cat")
    assert "<svg viewBox" not in text_of(root, page(ObjectDetection, "changelist"))


def test_a_transcript_is_to_be_read(root: Client, file: File) -> None:
    row = row_of(Transcript)
    assert "&lt;b&gt;Hello and goodbye" in text_of(root, page(Transcript, "changelist"))
    assert "10.00 to 19.00: and goodbye" in text_of(root, page(Transcript, "change", row.pk))
    TranscriptSegment.objects.all().delete()
    Transcript.objects.update(text="")
    assert "nothing is said" in text_of(root, page(Transcript, "changelist"))
    assert "nothing is said" in text_of(root, page(Transcript, "change", row.pk))


def test_of_a_long_transcript_the_beginning_is_shown(root: Client, library: Library) -> None:
    row = says(put(library, "a.mp3", kind="audio"), "en", *["word"] * 600)
    text = text_of(root, page(Transcript, "change", row.pk))
    assert text.count(": word") == 500
    assert "the first 500 are shown" in text


def test_an_embedding_tells_its_length_and_fingerprint(root: Client, file: File) -> None:
    text = text_of(root, page(PictureEmbedding, "change", row_of(PictureEmbedding).pk))
    assert re.search(r'class="readonly[^"]*">8<', text)
    assert "f" * 16 in text


@pytest.mark.parametrize("model", PAGES, ids=lambda one: one.__name__)
def test_rows_are_found_by_every_key(model: Any, root: Client, library: Library, file: File) -> None:
    mine = row_of(model)
    add(library, 1)
    for key in (mine.pk, file.original_id, file.pk):
        answer = root.get(page(model, "changelist"), {"q": str(key)})
        text = answer.content.decode()
        assert str(mine.pk) in text
        assert answer.context["cl"].result_count == 1
        assert text.count("thumb.webp") == 1
    assert "thumb.webp" not in text_of(root, page(model, "changelist"), q=str(uuid4()))
    assert text_of(root, page(model, "changelist"), q=" ").count("thumb.webp") == 2


@pytest.mark.parametrize(("model", "name"), [(ObjectDetection, "<b>dog"), (SoundEvent, "<b>bark")])
def test_rows_are_found_by_their_name(model: Any, name: str, root: Client, file: File) -> None:
    assert text_of(root, page(model, "changelist"), q=name).count("thumb.webp") == 1
    assert "thumb.webp" not in text_of(root, page(model, "changelist"), q="unicorn")


@pytest.mark.parametrize("model", PAGES, ids=lambda one: one.__name__)
def test_lists_cost_the_same_for_many_and_count_no_table(
    model: type[models.Model], root: Client, library: Library, file: File
) -> None:
    counts = []
    for number in (1, 2, 3):
        add(library, number)
        with CaptureQueriesContext(connection) as queries:
            text_of(root, page(model, "changelist"))
        counts.append(len(queries))
        counted = [one["sql"] for one in queries if "COUNT(" in one["sql"]]
        assert len(counted) == 1
        assert "LIMIT 10001" in counted[0]
        assert "vector_dims" not in counted[0]
        assert "left(" not in counted[0].lower()
        assert not any("SELECT DISTINCT" in one["sql"] for one in queries)
    assert counts[0] == counts[1] == counts[2] <= 8


@pytest.mark.parametrize("model", PAGES, ids=lambda one: one.__name__)
def test_the_page_of_a_row_costs_few_queries(
    model: Any, root: Client, file: File, django_assert_max_num_queries: Any
) -> None:
    with django_assert_max_num_queries(9):
        text_of(root, page(model, "change", row_of(model).pk))


def plan(model: Any, term: str) -> str:
    site: Any = admin.site._registry[model]
    rows, _ = site.get_search_results(RequestFactory().get("/"), model.objects.order_by("-id"), term)
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {model._meta.db_table}")
        cursor.execute("SET LOCAL enable_seqscan = off")
    told: str = rows[:51].explain()
    return told


def test_searches_have_their_index(library: Library, file: File) -> None:
    mine = row_of(ObjectDetection)
    fields = [field.attname for field in ObjectDetection._meta.fields if field.name not in {"id", "label"}]
    copied = {name: getattr(mine, name) for name in fields}
    ObjectDetection.objects.bulk_create(
        ObjectDetection(**copied, label=f"label {number}") for number in range(3000)
    )
    assert "object_by_label" in plan(ObjectDetection, "label 7")
    by_key = plan(ObjectDetection, str(mine.pk))
    assert "ml_objectdetection_pkey" in by_key
    assert "object_by_original" in by_key or "original_id" in by_key.partition("Filter")[0]
