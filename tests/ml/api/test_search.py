"""GET /api/search: every place that is looked at, and what is told of each hit."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from media.models import Folder, Library, Tag
from ml.search import facets
from tests.ml.search.things import (
    counts,
    holds,
    marked,
    names,
    parts,
    person,
    put,
    says,
    search,
    seen,
    sounds_of,
    switch_on,
)


@pytest.fixture
def full(library: Library) -> Library:
    """Everything switched on."""
    switch_on(library)
    return library


def test_a_part_of_a_name(library: Library, as_bob: Client) -> None:
    put(library, "IMG_holiday.jpg")
    put(library, "other.jpg")
    found = search(as_bob, "liday")
    assert names(found) == ["IMG_holiday.jpg"]
    (entry,) = found["entries"]
    assert entry["matchReason"] == "name"
    assert entry["where"] == [
        {"source": "name", "text": "IMG_holiday.jpg", "ranges": [[6, 11]], "second": None, "id": None}
    ]
    assert entry["folder"] is None
    assert entry["second"] is None
    assert found["total"] == 1
    assert not found["near"]
    assert found["message"] is None


def test_whole_words_before_beginnings_before_parts(library: Library, as_bob: Client) -> None:
    for name in ("vacation.jpg", "cat.jpg", "catalogue.jpg", "my_cat_2.jpg"):
        put(library, name, at=datetime(2020, 1, 1, tzinfo=UTC))
    assert names(search(as_bob, "cat"))[2:] == ["catalogue.jpg", "vacation.jpg"]
    assert sorted(names(search(as_bob, "cat"))[:2]) == ["cat.jpg", "my_cat_2.jpg"]


def test_of_equals_the_newer_first(library: Library, as_bob: Client) -> None:
    for year in (2019, 2023, 2021):
        put(library, f"cat {year}.jpg", at=datetime(year, 5, 1, tzinfo=UTC))
    assert names(search(as_bob, "cat")) == ["cat 2023.jpg", "cat 2021.jpg", "cat 2019.jpg"]


def test_people(full: Library, as_bob: Client) -> None:
    anna = person(full, "Anna Berg")
    film = put(full, "film.mp4", kind="video")
    seen(film, anna, second=12.5)
    put(full, "nobody.jpg")
    found = search(as_bob, "anna")
    assert names(found) == ["film.mp4"]
    (where,) = found["entries"][0]["where"]
    assert (where["source"], where["text"], where["id"]) == ("person", "Anna Berg", str(anna.pk))
    assert found["entries"][0]["second"] == 12.5
    assert counts(found, "person") == {"Anna Berg": 1}


def test_people_who_are_hidden_removed_or_merged(full: Library, as_bob: Client) -> None:
    hidden, gone = person(full, "Anna", hidden=True), person(full, "Annabel")
    other = put(full, "other.jpg")
    seen(put(full, "hidden.jpg"), hidden)
    face = seen(other, gone)
    face.removed = True
    face.save()
    found = search(as_bob, "anna")
    assert names(found) == []
    seen(other, hidden)
    assert counts(search(as_bob, "other"), "person") == {}
    assert names(search(as_bob, "other", person=hidden.pk)) == []


def test_cameras_and_lenses(library: Library, as_bob: Client) -> None:
    put(library, "a.jpg", camera_make="Canon", camera_model="Canon EOS R5", lens="RF24-70mm F2.8")
    put(library, "b.jpg", camera_make="NIKON CORPORATION", camera_model="NIKON Z 6")
    found = search(as_bob, "canon eos")
    assert names(found) == ["a.jpg"]
    assert counts(found, "camera") == {"Canon EOS R5": 1}
    assert search(as_bob, "rf24-70mm")["entries"][0]["matchReason"] == "lens"
    assert names(search(as_bob, "jpg", camera="NIKON Z 6")) == ["b.jpg"]


@pytest.mark.parametrize(
    "typed", ["2024", "june 2024", "Juni 2024", "juin 2024", "1 de junio de 2024", "2024-06-01", "june"]
)
def test_dates(library: Library, as_bob: Client, typed: str) -> None:
    put(library, "right.jpg", at=datetime(2024, 6, 1, 12, tzinfo=UTC))
    put(library, "wrong.jpg", at=datetime(2023, 7, 2, 12, tzinfo=UTC))
    found = search(as_bob, typed)
    assert names(found) == ["right.jpg"]
    assert found["entries"][0]["matchReason"] == "date"
    assert found["entries"][0]["where"][0]["text"] == "2024-06-01"


def test_a_day_is_that_of_the_place(library: Library, as_bob: Client) -> None:
    """Ten in the evening of New Year's Eve in New York is the next year in UTC."""
    put(library, "eve.jpg", at=datetime(2024, 1, 1, 3, tzinfo=UTC), captured_offset=-300)
    assert names(search(as_bob, "2023-12-31")) == ["eve.jpg"]
    assert names(search(as_bob, "2024-01-01")) == []
    assert counts(search(as_bob, "eve"), "year") == {"2023": 1}
    assert names(search(as_bob, "eve", **{"from": "2023", "to": "2023"})) == ["eve.jpg"]
    assert names(search(as_bob, "eve", **{"from": "2024"})) == []


def test_a_year_in_a_name_before_a_year_of_a_picture(library: Library, as_bob: Client) -> None:
    put(library, "taxes 2024.pdf", kind="other", at=datetime(2021, 1, 1, tzinfo=UTC))
    put(library, "picture.jpg", at=datetime(2024, 1, 1, tzinfo=UTC))
    assert names(search(as_bob, "2024")) == ["taxes 2024.pdf", "picture.jpg"]


def test_places_in_words(library: Library, as_bob: Client) -> None:
    iptc = {"raw": {"iptc": {"city": "Hallstatt", "country": "Austria"}}}
    put(library, "a.jpg", probe=iptc)
    put(library, "b.jpg", captured_zone="America/New_York", latitude=40.7, longitude=-74.0)
    put(library, "c.jpg", probe={"raw": {"xmp": {"photoshop:City": "Bern"}}})
    found = search(as_bob, "hallstatt")
    assert names(found) == ["a.jpg"]
    assert found["entries"][0]["where"][0] | {"id": None} == {
        "source": "place",
        "text": "Hallstatt",
        "ranges": [[0, 9]],
        "second": None,
        "id": None,
    }
    assert names(search(as_bob, '"new york"')) == [], "a zone is as wide as a country"
    assert names(search(as_bob, "bern")) == ["c.jpg"]


@pytest.mark.parametrize("typed", ["dog", "dogs", "Dogs", '"teddy bears"', "bears"])
def test_objects_and_their_plurals(full: Library, as_bob: Client, typed: str) -> None:
    right = put(full, "right.mp4", kind="video")
    holds(right, "dog", second=3.0, score=0.6)
    holds(right, "dog", second=7.0, score=0.9)
    holds(right, "teddy bear", second=7.0)
    holds(put(full, "wrong.jpg"), "hot dogma")
    found = search(as_bob, typed)
    assert names(found) == ["right.mp4"]
    (entry,) = found["entries"]
    assert entry["matchReason"] == "object"
    assert len(entry["where"]) == 1
    assert entry["second"] == 7.0
    assert counts(found, "label") == {"dog": 1, "teddy bear": 1}


def test_sounds(full: Library, as_bob: Client) -> None:
    film = put(full, "street.mp4", kind="video")
    sounds_of(film, "Vehicle horn, car horn, honking", 30)
    found = search(as_bob, '"car horns"')
    assert names(found) == ["street.mp4"]
    assert found["entries"][0]["second"] == 30
    assert parts(found["entries"][0]["where"][0]) == ["car horn"]


def test_titles_captions_and_keywords(library: Library, as_bob: Client) -> None:
    put(library, "a.jpg", title="Sunset over the lake")
    put(library, "b.jpg", caption="We saw\nthe SUNSET together")
    put(library, "c.jpg", keywords=["mountain", "sunset"])
    found = search(as_bob, "sunset")
    assert names(found) == ["a.jpg", "c.jpg", "b.jpg"]
    assert [entry["matchReason"] for entry in found["entries"]] == ["title", "keyword", "caption"]
    assert found["entries"][1]["where"][0]["text"] == "sunset"
    assert found["entries"][2]["where"][0]["text"] == "the SUNSET together"


def test_tags_and_moments(library: Library, as_bob: Client) -> None:
    tag = Tag.objects.create(library=library, name="Goal", color="#EF4444")
    match = put(library, "match.mp4", kind="video")
    moment = marked(match, "Penalty kick", 61.5, tag)
    found = search(as_bob, "goal")
    assert names(found) == ["match.mp4"]
    assert found["entries"][0]["where"][0]["id"] == str(tag.pk)
    assert found["entries"][0]["second"] == 61.5
    assert search(as_bob, "penalty")["entries"][0]["where"][0]["id"] == str(moment.pk)
    assert names(search(as_bob, "match", tag=tag.pk)) == ["match.mp4"]
    moment.trashed_at = datetime.now(UTC)
    moment.save()
    assert names(search(as_bob, "goal")) == names(search(as_bob, "penalty")) == []
    assert names(search(as_bob, "match", tag=tag.pk)) == []


def test_folders_and_what_lies_below_them(library: Library, as_bob: Client) -> None:
    italy = Folder.objects.create(library=library, name="Italy 2023")
    rome = Folder.objects.create(library=library, name="Rome", parent=italy)
    put(library, "a.jpg", folder=italy)
    put(library, "b.jpg", folder=rome)
    put(library, "c.jpg")
    found = search(as_bob, "italy")
    assert sorted(names(found)) == ["Italy 2023", "a.jpg", "b.jpg"]
    assert found["entries"][0]["folder"]["id"] == str(italy.pk)
    assert found["entries"][0]["file"] is None
    assert {entry["matchReason"] for entry in found["entries"]} == {"folder"}
    assert found["entries"][2]["where"][0]["id"] == str(italy.pk)
    assert counts(found, "type") == {"image": 2, "folder": 1}
    assert sorted(names(search(as_bob, "rome italy"))) == ["Rome", "b.jpg"]
    assert names(search(as_bob, "jpg", folder=rome.pk)) == ["b.jpg"]
    assert sorted(names(search(as_bob, "jpg", folder=italy.pk))) == ["a.jpg", "b.jpg"]
    assert names(search(as_bob, "italy", type="folder")) == ["Italy 2023"]
    assert sorted(names(search(as_bob, "italy", type="image"))) == ["a.jpg", "b.jpg"]
    rome.trashed_at = datetime.now(UTC)
    rome.save()
    assert names(search(as_bob, "rome", type="folder")) == []


@pytest.mark.parametrize(
    ("language", "said", "typed", "shown"),
    [
        ("en", "We were running along the river", "run", ["running"]),
        ("de", "Die Häuser am Fluss", "haus", ["Häuser"]),
        ("fr", "Nous avons mangé des pommes", "pomme", ["pommes"]),
        ("es", "Los gatos duermen", "gato", ["gatos"]),
        ("ru", "Мы видели собаку", "собаки", ["собаку"]),
        ("pt-BR", "as crianças brincam", "criança", ["crianças"]),
        ("ja", "東京に行きました", "東京", ["東京"]),
        ("zh", "我们去北京吧", "北京", ["北京"]),
        ("tlh", "jagh yIqIp", "jagh", ["jagh"]),
        ("", "no language is known", "language", ["language"]),
    ],
)
def test_what_is_said_by_the_rules_of_its_language(
    full: Library, as_bob: Client, language: str, said: str, typed: str, shown: list[str]
) -> None:
    says(put(full, "film.mp4", kind="video"), language, "hm", said)
    says(put(full, "other.mp4", kind="video"), language, "hm hm")
    found = search(as_bob, typed)
    assert names(found) == ["film.mp4"]
    (entry,) = found["entries"]
    assert entry["matchReason"] == "transcript"
    assert entry["second"] == 10
    assert entry["where"][0]["text"] == said
    assert parts(entry["where"][0]) == shown


def test_the_rules_of_one_language_are_not_those_of_another(full: Library, as_bob: Client) -> None:
    says(put(full, "german.mp4", kind="video"), "de", "running gag")
    says(put(full, "english.mp4", kind="video"), "en", "running gag")
    assert names(search(as_bob, "runs")) == ["english.mp4"]


def test_a_film_begins_where_most_of_it_is_said(full: Library, as_bob: Client) -> None:
    film = put(full, "film.mp4", kind="video")
    says(film, "en", "a quick word", "nothing", "the quick brown fox", "brown")
    (entry,) = search(as_bob, "quick brown")["entries"]
    assert entry["second"] == 20
    assert parts(entry["where"][0]) == ["quick", "brown"]
    assert [where["second"] for where in entry["where"]] == [20, 0, 30]


def test_a_quotation_that_goes_over_two_segments(full: Library, as_bob: Client) -> None:
    film = put(full, "film.mp4", kind="video")
    says(film, "en", "nothing", "it was a new", "year for us", "a year is new")
    found = search(as_bob, '"new year"')
    assert found["entries"][0]["second"] == 10
    assert names(search(as_bob, '"year new"')) == []


def test_a_correction_is_found_at_once(full: Library, as_bob: Client) -> None:
    row = says(put(full, "film.mp4", kind="video"), "en", "a beech on the coast")
    row.segments.update(text="a beach on the coast")
    row.text = "a beach on the coast"
    row.save()
    assert names(search(as_bob, "beach coasting")) == ["film.mp4"]
    row.language = "de"
    row.save()
    assert names(search(as_bob, "coasting")) == []


def test_every_word_wherever_it_is(full: Library, as_bob: Client) -> None:
    """Anna, on a beach, in 2024: a person, a folder and a date."""
    beach = Folder.objects.create(library=full, name="Beach")
    right = put(full, "x.jpg", folder=beach, at=datetime(2024, 7, 1, tzinfo=UTC))
    wrong = put(full, "y.jpg", at=datetime(2024, 7, 1, tzinfo=UTC))
    anna = person(full, "Anna")
    seen(right, anna)
    seen(wrong, anna)
    found = search(as_bob, "anna beach 2024")
    assert names(found) == ["x.jpg"]
    assert found["entries"][0]["matchReason"] == "person+folder+date"


def test_a_minus_shuts_out_wherever_it_is(full: Library, as_bob: Client) -> None:
    holds(put(full, "beach 1.jpg"), "dog")
    put(full, "beach 2.jpg")
    assert names(search(as_bob, "beach -dogs")) == ["beach 2.jpg"]
    assert names(search(as_bob, "beach -2")) == ["beach 1.jpg"]


def test_this_or_that(library: Library, as_bob: Client) -> None:
    for name in ("cat.jpg", "dog.jpg", "cow.jpg"):
        put(library, name)
    assert sorted(names(search(as_bob, "cat OR dog"))) == ["cat.jpg", "dog.jpg"]


def test_slips_of_the_finger_where_nothing_else_is_found(full: Library, as_bob: Client) -> None:
    put(full, "holiday in Italy.jpg")
    seen(put(full, "a.jpg"), person(full, "Elisabeth"))
    holds(put(full, "b.jpg"), "bicycle")
    found = search(as_bob, "hollidays")
    assert names(found) == ["holiday in Italy.jpg"]
    assert found["near"]
    assert parts(found["entries"][0]["where"][0]) == ["holiday"]
    assert names(search(as_bob, "elizabeth")) == ["a.jpg"]
    assert names(search(as_bob, "bicicle")) == ["b.jpg"]
    assert names(search(as_bob, "italien xyz")) == []
    put(full, "hollidays.jpg")
    found = search(as_bob, "hollidays")
    assert (names(found), found["near"]) == (["hollidays.jpg"], False)


def test_of_many_words_with_slips_the_longest_are_looked_for_first(library: Library, as_bob: Client) -> None:
    """Where nothing is like them, the others are not looked for."""
    outer = Folder.objects.create(library=library, name="Holidays")
    inner = Folder.objects.create(library=library, name="Italy", parent=outer)
    put(library, "Beach at noon.jpg", folder=inner)
    found = search(as_bob, "beeach itally hollidays nooon")
    assert (names(found), found["near"]) == (["Beach at noon.jpg"], True)
    assert names(search(as_bob, "beeach itally hollidays nooon", type="folder")) == []
    with CaptureQueriesContext(connection) as asked:
        assert names(search(as_bob, "beeach itally qqqqqqqqqq wwwwwwwwww")) == []
    near = [one["sql"] for one in asked if " <% " in one["sql"]]
    assert len(near) == 1
    assert "itally" not in near[0]


def test_wildcards_are_letters_like_others(library: Library, as_bob: Client) -> None:
    for name in ("a100%.jpg", "b1000.jpg", "c_d.jpg", "cxd.jpg", "back\\slash.jpg"):
        put(library, name)
    assert names(search(as_bob, "100%")) == ["a100%.jpg"]
    assert names(search(as_bob, "c_d")) == ["c_d.jpg"]
    assert names(search(as_bob, "%%")) == []
    assert names(search(as_bob, "__")) == []
    assert names(search(as_bob, "back\\slash")) == ["back\\slash.jpg"]


def test_signs_alone(library: Library, as_bob: Client) -> None:
    put(library, "a party \U0001f389\U0001f389.jpg")
    put(library, "b.jpg", caption="so much \u00a7$ of it")
    assert names(search(as_bob, "\U0001f389\U0001f389")) == ["a party \U0001f389\U0001f389.jpg"]
    assert parts(search(as_bob, "party \U0001f389")["entries"][0]["where"][0]) == [
        "party",
        "\U0001f389\U0001f389",
    ]
    assert names(search(as_bob, "\u00a7$")) == ["b.jpg"]
    assert names(search(as_bob, "jpg -\u00a7$")) == ["a party \U0001f389\U0001f389.jpg"]


@pytest.mark.parametrize(
    "typed", ["cafe", "CAFÉ", "cafe\u0301", "munchen", "München", "strasse", "straße", "aero"]
)
@pytest.mark.parametrize("place", ["name", "title", "folder", "person", "transcript", "tag", "keyword"])
def test_accents_are_no_difference(full: Library, as_bob: Client, typed: str, place: str) -> None:
    words = "Café in München, Straße nach Ærø"
    folder = Folder.objects.create(library=full, name=words) if place == "folder" else None
    told: dict[str, Any] = (
        {"title": words} if place == "title" else {"keywords": [words]} if place == "keyword" else {}
    )
    film = put(full, f"{words}.mp4" if place == "name" else "x.mp4", kind="video", folder=folder, **told)
    put(full, "other.mp4", kind="video")
    if place == "person":
        seen(film, person(full, words))
    elif place == "transcript":
        says(film, "en", "hm", words)
    elif place == "tag":
        marked(film, "kick", 1, Tag.objects.create(library=full, name=words, color="#EF4444"))
    found = search(as_bob, typed, type="video")
    assert names(found) == [film.name]
    (shown,) = parts(found["entries"][0]["where"][0])
    assert shown in {"Café", "München", "Straße", "Ærø"}


@pytest.mark.parametrize(
    ("name", "typed"),
    [
        ("我们去北京吧.jpg", "北京"),
        ("猫と犬.jpg", "猫"),
        ("ภาพวันหยุดที่เชียงใหม่.jpg", "เชียงใหม่"),
        ("東京タワー2019.jpg", "タワー"),
        ("대한국민.jpg", "한국"),
    ],
)
def test_scripts_without_blanks(library: Library, as_bob: Client, name: str, typed: str) -> None:
    put(library, name)
    put(library, "京北.jpg")
    found = search(as_bob, typed)
    assert names(found) == [name]
    assert parts(found["entries"][0]["where"][0]) == [typed]


@pytest.mark.parametrize("language", ["", "en", "de", "ko", "ja"])
def test_what_is_said_in_such_a_script_whatever_the_language_is(
    full: Library, as_bob: Client, language: str
) -> None:
    says(put(full, "film.mp4", kind="video"), language, "hm", "We went to 東京に行きました and 한국에서")
    for typed in ("東京", "한국"):
        (entry,) = search(as_bob, typed)["entries"]
        assert (entry["second"], parts(entry["where"][0])) == (10, [typed])


def test_two_letters_are_the_beginning_of_a_word(library: Library, as_bob: Client) -> None:
    for name in ("a zq7.jpg", "zq.jpg", "razq.jpg", "x_zqueue.jpg"):
        put(library, name, at=datetime(2020, 1, 1, tzinfo=UTC))
    found = search(as_bob, "zq")
    assert names(found)[0] == "zq.jpg"
    assert sorted(names(found)) == ["a zq7.jpg", "x_zqueue.jpg", "zq.jpg"]
    assert parts(found["entries"][0]["where"][0]) == ["zq"]


def test_yesterday(library: Library, as_bob: Client) -> None:
    now = timezone.now()
    put(library, "new.jpg", at=now)
    put(library, "before.jpg", at=now - timedelta(days=1))
    assert names(search(as_bob, "yesterday")) == ["before.jpg"]
    assert names(search(as_bob, "today")) == ["new.jpg"]


def test_filters(full: Library, as_bob: Client) -> None:
    film = put(full, "x film.mp4", kind="video", at=datetime(2020, 5, 5, tzinfo=UTC))
    picture = put(full, "x picture.jpg", at=datetime(2021, 5, 5, tzinfo=UTC))
    anna = person(full, "Anna")
    seen(picture, anna)
    holds(picture, "dog")
    sounds_of(film, "Speech", 0)
    everything: dict[str, list[dict[str, Any]]] = {
        "x film.mp4": [
            {"type": "video"},
            {"label": "speech"},
            {"to": "2020-05-05"},
            {"from": "2020-05-05", "to": "2020"},
        ],
        "x picture.jpg": [
            {"type": "image"},
            {"person": anna.pk},
            {"label": "Dog"},
            {"from": "2020-06"},
            {"person": anna.pk, "label": "dog", "from": "2021-05-05", "library": full.pk},
        ],
    }
    for name, filters in everything.items():
        for one in filters:
            found = search(as_bob, "jpg OR mp4", **one)
            assert names(found) == [name], one
            assert found["total"] == 1
            assert counts(found, "library") == {"Family": 1}


def test_facets_count_files_of_all_pages(full: Library, as_bob: Client) -> None:
    anna = person(full, "Anna")
    for number in range(5):
        file = put(full, f"cat {number}.jpg", at=datetime(2020 + number % 2, 1, 1, tzinfo=UTC))
        holds(file, "cat")
        holds(file, "cat")
        seen(file, anna)
        seen(file, anna)
    found = search(as_bob, "cat", limit=2)
    assert found["total"] == 5
    assert counts(found, "label") == {"cat": 5}
    assert counts(found, "person") == {"Anna": 5}
    assert counts(found, "year") == {"2021": 2, "2020": 3}
    assert list(counts(found, "year")) == ["2021", "2020"]
    assert counts(found, "type") == {"image": 5}
    again = search(as_bob, "cat", limit=2, cursor=found["nextCursor"])
    assert again["facets"] is None
    assert again["total"] == 5
    assert search(as_bob, "cat", facets=False)["facets"] is None


def test_facets_of_much_count_the_best_and_say_so(
    library: Library, as_bob: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    switch_on(library)
    for number in range(5):
        file = put(
            library, f"cat {number}.jpg", camera_model="R5", at=datetime(2010 + number, 6, 1, tzinfo=UTC)
        )
        holds(file, "dog" if number >= 2 else "bird")
        seen(file, person(library, f"Person {number}"))
    whole = search(as_bob, "cat", limit=2)
    assert whole["facetsOf"] == whole["total"] == 5
    assert counts(whole, "label") == {"dog": 3, "bird": 2}
    monkeypatch.setattr(facets, "COUNTED", 3)
    found = search(as_bob, "cat", limit=2)
    assert (found["total"], found["facetsOf"]) == (5, 3)
    assert counts(found, "label") == {"dog": 3}
    assert counts(found, "year") == {"2014": 1, "2013": 1, "2012": 1}
    assert counts(found, "camera") == {"R5": 3}
    assert counts(found, "type") == {"image": 3}
    assert counts(found, "library") == {"Family": 3}
    assert counts(found, "person") == {f"Person {number}": 1 for number in (2, 3, 4)}
    told = names(found)
    while found["nextCursor"]:
        found = search(as_bob, "cat", limit=2, cursor=found["nextCursor"])
        assert found["total"] == 5
        assert found["facetsOf"] is found["facets"] is None
        told += names(found)
    assert told == [f"cat {number}.jpg" for number in (4, 3, 2, 1, 0)]


def test_it_works_without_any_model(library: Library, as_bob: Client) -> None:
    put(library, "cat.jpg")
    found = search(as_bob, "cat")
    assert found["meaning"] == "off"
    assert names(found) == ["cat.jpg"]
    assert names(search(as_bob, f"like:{library.pk}")) == []
