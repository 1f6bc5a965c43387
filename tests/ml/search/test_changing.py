"""Another model of search is chosen: everything is looked at again, and no search is the worse for it meanwhile."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from media import trash
from media.errors import ConflictError
from media.models import Derivative, File, Library
from ml import selection
from ml.downloads import deciding, files_of
from ml.models import Download, PictureEmbedding, SearchModel, SimilarPair
from ml.registry import table
from ml.search import changing, encoders, queries, semantic, similar
from ml.search.encoders import Encoder
from ml.search.similar import Limits
from tests.ingesting import derivative, run_queued
from tests.ml.graphs import search as tiny
from tests.ml.search.conftest import drawing, put, saved, tinted

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("two_models")]
OLD, NEW = "tiny-search", "other-search"
ABSENT = replace(
    tiny.spec("absent-search", default=False),
    files=tuple(
        replace(file, name=f"absent-{file.name}", path=f"absent/{file.name}") for file in tiny.MODELS[0].files
    ),
)
REGISTRY = (*tiny.MODELS, tiny.spec(NEW, default=False), ABSENT)


@pytest.fixture
def two_models(tiny_search: Path, settings: Any) -> None:
    """Both are here; every colour has been searched for by both."""
    settings.MODEL_REGISTRIES = [*settings.MODEL_REGISTRIES[:-1], f"{__name__}.REGISTRY"]
    for model in (OLD, NEW):
        spec = table.find_model("search", model)
        assert spec is not None
        for text in tiny.COLORS:
            told = Encoder(files_of(spec)).text(text).astype("<f4").tobytes()
            queries.keep(model, encoders.clean(spec, text), told)


@pytest.fixture
def pictures(searched: Library, tmp_path: Path) -> dict[str, File]:
    return {color: put(searched, saved(tinted(color), tmp_path / f"{color}.png")) for color in tiny.COLORS}


def found(library: Library, text: str) -> list[str]:
    answer = semantic.find([library.pk], text, limit=10)
    assert answer.status == "used"
    files = {file.original_id: file.name for file in File.objects.all()}
    return sorted(files[hit.original_id] for hit in answer.hits)


def models_of(file: File) -> set[str]:
    return set(PictureEmbedding.objects.filter(original=file.original_id).values_list("model", flat=True))


def change() -> changing.Change | None:
    return changing.change(selection.chosen("search"))


def follow() -> None:
    """As many looks as it takes."""
    for _ in range(10):
        changing.tend()
        run_queued()
        if change() is None:
            return
    raise AssertionError("the change does not end")


def test_the_old_model_answers_until_the_new_one_has_seen_all(
    searched: Library, pictures: dict[str, File]
) -> None:
    assert change() is None
    assert changing.tend() == 0
    selection.choose("search", NEW)
    assert change() == changing.Change(OLD, NEW, 0, 0)
    assert changing.tend() == 3
    assert changing.tend() == 0
    assert change() == changing.Change(OLD, NEW, 0, 3)
    assert found(searched, "red") == ["red.png"]
    run_queued(limit=1)
    changing.tend()
    assert change() == changing.Change(OLD, NEW, 1, 3)
    assert [found(searched, color) for color in tiny.COLORS] == [[f"{color}.png"] for color in tiny.COLORS]
    run_queued()
    changing.tend()
    assert SearchModel.objects.get().model == NEW
    assert changing.tend() == 0
    assert change() is None
    assert found(searched, "red") == ["red.png"]
    assert {row.made_by["model"] for row in Derivative.objects.filter(deriver="embedding")} == {NEW}


def test_vectors_of_two_models_are_never_compared(
    searched: Library, pictures: dict[str, File], tmp_path: Path
) -> None:
    """What only the new one has seen is not found by the old one's reading of a text, nor like what that has seen."""
    selection.choose("search", NEW)
    later = put(searched, saved(tinted("red", 5), tmp_path / "later.png"))
    assert models_of(later) == {NEW}
    assert found(searched, "red") == ["red.png"]
    assert semantic.like([searched.pk], pictures["red"].pk, limit=10).hits == ()
    follow()
    assert found(searched, "red") == ["later.png", "red.png"]
    assert len(semantic.like([searched.pk], pictures["red"].pk, limit=10).hits) == 1


def test_going_back_costs_only_what_came_meanwhile(
    searched: Library, pictures: dict[str, File], tmp_path: Path
) -> None:
    selection.choose("search", NEW)
    follow()
    later = put(searched, saved(tinted("red", 5), tmp_path / "later.png"))
    selection.choose("search", OLD)
    assert changing.tend() == 1
    assert derivative(later.original_id, "embedding").status == "queued"
    follow()
    assert SearchModel.objects.get().model == OLD
    assert found(searched, "red") == ["later.png", "red.png"]
    assert models_of(later) == {OLD, NEW}


def test_going_back_in_the_middle(searched: Library, pictures: dict[str, File]) -> None:
    selection.choose("search", NEW)
    changing.tend()
    run_queued(limit=1)
    selection.choose("search", OLD)
    follow()
    assert SearchModel.objects.get().model == OLD
    assert [found(searched, color) for color in tiny.COLORS] == [[f"{color}.png"] for color in tiny.COLORS]
    assert PictureEmbedding.objects.filter(model=OLD).count() == 3
    kept = PictureEmbedding.objects.filter(model=NEW).count()
    selection.choose("search", NEW)
    assert changing.tend() <= 3 - kept
    follow()
    assert found(searched, "red") == ["red.png"]


def test_what_fails_by_the_new_model_is_not_asked_for_ever(
    searched: Library, pictures: dict[str, File]
) -> None:
    selection.choose("search", NEW)
    changing.tend()
    row = derivative(pictures["red"].original_id, "embedding")
    Derivative.objects.filter(pk=row.pk).update(
        status="failed", error_code="damaged", error_message="Damaged."
    )
    follow()
    row.refresh_from_db()
    assert (row.status, SearchModel.objects.get().model) == ("failed", NEW)
    assert changing.tend() == 0


def test_what_lies_in_the_trash_does_not_hold_it_up(searched: Library, pictures: dict[str, File]) -> None:
    trash.trash(searched, [pictures["red"].pk])
    selection.choose("search", NEW)
    follow()
    assert models_of(pictures["red"]) == {OLD}
    trash.restore(searched, [pictures["red"].pk])
    run_queued()
    assert found(searched, "red") == ["red.png"]


def test_a_run_that_ends_late_with_the_old_model_is_made_good(
    searched: Library, pictures: dict[str, File]
) -> None:
    selection.choose("search", NEW)
    follow()
    PictureEmbedding.objects.filter(original=pictures["red"].original_id, model=NEW).delete()
    assert changing.note(OLD) == NEW
    follow()
    assert models_of(pictures["red"]) == {OLD, NEW}


def test_no_more_than_some_are_on_their_way(
    searched: Library, pictures: dict[str, File], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changing, "AT_ONCE", 2)
    selection.choose("search", NEW)
    assert [changing.tend(), changing.tend()] == [2, 0]
    run_queued(limit=1)
    assert changing.tend() == 1
    follow()


def test_without_the_files_of_the_new_model_nothing_is_lost(
    searched: Library, pictures: dict[str, File]
) -> None:
    """They are sent for; until they are here the old one answers, and no row waits."""
    deciding.choose("search", ABSENT.id)
    assert changing.tend() == 0
    assert Download.objects.filter(model=ABSENT.id).exists()
    assert set(Derivative.objects.filter(deriver="embedding").values_list("status", flat=True)) == {"ready"}
    assert found(searched, "red") == ["red.png"]
    assert change() == changing.Change(OLD, ABSENT.id, 0, 0)


def test_where_nothing_was_looked_at_nothing_is_fetched(searched: Library) -> None:
    SearchModel.objects.create(model=OLD)
    deciding.choose("search", ABSENT.id)
    Download.objects.all().delete()
    follow()
    assert SearchModel.objects.get().model == ABSENT.id
    assert not Download.objects.exists()


def test_the_model_that_answers_is_not_thrown_away(searched: Library, pictures: dict[str, File]) -> None:
    old = table.find_model("search", OLD)
    assert old is not None
    selection.choose("search", NEW)
    changing.tend()
    with pytest.raises(ConflictError, match="answered by"):
        deciding.remove(old)
    follow()
    assert deciding.remove(old) == []


def test_models_before_the_one_before_are_forgotten(searched: Library, pictures: dict[str, File]) -> None:
    PictureEmbedding.objects.filter(original=pictures["red"].original_id).update(model="long-ago")
    follow_from = PictureEmbedding.objects.filter(model="long-ago")
    selection.choose("search", NEW)
    follow()
    assert not follow_from.exists()
    assert set(PictureEmbedding.objects.values_list("model", flat=True)) == {OLD, NEW}


def test_copies_are_told_once_and_by_the_model_that_answers(searched: Library, tmp_path: Path) -> None:
    whole = put(searched, saved(drawing(1), tmp_path / "whole.png"))
    small = put(searched, saved(drawing(1), tmp_path / "small.jpg", (120, 80)))
    both = {whole.original_id, small.original_id}

    def groups() -> list[set[Any]]:
        return [set(group.originals) for group in similar.page(searched, Limits(), None, 10)[0]]

    assert groups() == [both]
    selection.choose("search", NEW)
    changing.tend()
    run_queued()
    assert set(SimilarPair.objects.values_list("model", flat=True)) == {OLD, NEW}
    assert groups() == [both]
    follow()
    assert groups() == [both]
    similar.keep_all(searched, both, None)
    assert not SimilarPair.objects.exists()
    selection.choose("search", OLD)
    follow()
    assert groups() == []


def test_operators_see_how_far_it_is(
    searched: Library, pictures: dict[str, File], admin_client: Client
) -> None:
    def told() -> Any:
        answer = admin_client.get("/api/models").json()
        return {one["pipeline"]: one["changing"] for one in answer}

    assert set(told().values()) == {None}
    selection.choose("search", NEW)
    changing.tend()
    assert told()["search"] == {"answering": OLD, "following": NEW, "done": 0, "total": 3}
    assert told()["faces"] is None
    follow()
    assert told()["search"] is None
