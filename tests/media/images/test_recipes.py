"""What may be asked of the image proxy: every clamp, default and refusal, and one spelling for one picture."""

from itertools import permutations
from urllib.parse import parse_qsl
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.errors import RequestError
from media.images import recipes
from media.images.recipes import Format, Recipe, cache_key, parse, query_of, version_of

LIBRARY = UUID("0198f000-0000-7000-8000-000000000001")
DIGEST = "0123456789abcdef" * 4
sides = st.one_of(st.none(), st.integers(min_value=1, max_value=recipes.MOST_SIDE))
any_recipe = st.builds(
    Recipe, sides, sides, st.integers(min_value=1, max_value=100), st.sampled_from(recipes.FORMATS)
)


def test_the_defaults_are_those_of_the_reference() -> None:
    assert parse({}) == Recipe(None, None, 80, "jpeg")
    assert parse({"width": "", "height": "", "quality": "", "format": ""}) == parse({})
    assert parse({"other": "1", "v": "x", "s": "y"}) == parse({})


@pytest.mark.parametrize("name", ["width", "height"])
@pytest.mark.parametrize(
    ("text", "side"),
    [
        ("1", 1),
        ("0", 1),
        ("-1", 1),
        ("-999999999999", 1),
        ("720", 720),
        ("0720", 720),
        ("4096", 4096),
        ("4097", 4096),
        ("60000", 4096),
        ("9" * 400, 4096),
    ],
)
def test_sides_are_clamped(name: str, text: str, side: int) -> None:
    assert getattr(parse({name: text}), name) == side


@pytest.mark.parametrize(
    ("text", "quality"),
    [("1", 1), ("0", 1), ("-5", 1), ("80", 80), ("100", 100), ("101", 100), ("9" * 30, 100)],
)
def test_quality_is_clamped(text: str, quality: int) -> None:
    assert parse({"quality": text}).quality == quality


@pytest.mark.parametrize("name", ["width", "height", "quality"])
@pytest.mark.parametrize(
    "text",
    [
        "a",
        "1.5",
        "1e3",
        " 1",
        "1 ",
        "+1",
        "--1",
        "-",
        "0x10",
        "1_000",
        "\u0661\u0662",
        "\u00b2",
        "NaN",
        "1\0",
    ],
)
def test_what_is_no_whole_number_is_refused_by_name(name: str, text: str) -> None:
    with pytest.raises(RequestError) as refused:
        parse({name: text})
    assert refused.value.code == f"bad_{name}"
    assert refused.value.message.startswith(f"{name} must be a whole number from 1 to ")


@pytest.mark.parametrize(
    ("text", "form"), [("jpeg", "jpeg"), ("jpg", "jpeg"), ("webp", "webp"), ("avif", "avif"), ("png", "png")]
)
def test_formats(text: str, form: Format) -> None:
    assert parse({"format": text}).format == form
    assert parse({"format": text}, "image/avif").format == form, "Only auto looks at what the client takes."


@pytest.mark.parametrize("text", ["gif", "JPEG", "svg", "jpeg ", "../x", "webp;q=1"])
def test_other_formats_are_refused(text: str) -> None:
    with pytest.raises(RequestError) as refused:
        parse({"format": text})
    assert refused.value.code == "bad_format"
    assert refused.value.message == "format must be one of jpeg, webp, avif, png or auto."


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("", "jpeg"),
        ("*/*", "jpeg"),
        ("image/*", "jpeg"),
        ("image/avif,image/webp,*/*;q=0.8", "avif"),
        ("IMAGE/WEBP", "webp"),
        ("image/webp , image/png", "webp"),
        ("image/avif;q=0, image/webp", "webp"),
        ("image/avif;q=0.000, image/webp;q=0", "jpeg"),
        ("image/avif ; q=0.1", "avif"),
        ("image/avifx", "jpeg"),
        (";;,,;q=", "jpeg"),
    ],
)
def test_auto_takes_the_best_that_the_client_names_itself(accept: str, form: Format) -> None:
    assert parse({"format": "auto"}, accept).format == form


def test_one_picture_has_one_key_whatever_the_order_of_the_parameters() -> None:
    asked = [("width", "720"), ("height", "360"), ("quality", "82"), ("format", "jpg")]
    keys = {
        cache_key(LIBRARY, version_of(DIGEST), parse(dict(order)), registered=False)
        for order in permutations(asked)
    }
    assert keys == {f"derived/{LIBRARY}/01/{DIGEST[:32]}/w720-h360-q82.jpeg"}
    left_out = parse({"width": "720"})
    spelled = parse({"format": "jpeg", "quality": "80", "width": "0720", "height": ""})
    assert left_out == spelled
    assert left_out.text == "w720-h0-q80.jpeg"


def test_keys_keep_libraries_versions_turns_and_registers_apart() -> None:
    recipe = Recipe(80, 80, 70)
    other = UUID("0198f000-0000-7000-8000-000000000002")
    keys = {
        cache_key(LIBRARY, version_of(DIGEST), recipe, registered=True),
        cache_key(LIBRARY, version_of(DIGEST), recipe, registered=False),
        cache_key(LIBRARY, version_of(DIGEST, 90), recipe, registered=True),
        cache_key(LIBRARY, version_of(DIGEST[::-1]), recipe, registered=True),
        cache_key(other, version_of(DIGEST), recipe, registered=True),
    }
    assert len(keys) == 5
    assert f"variants/{LIBRARY}/01/{DIGEST[:32]}-90/w80-h80-q70.jpeg" in keys


@given(any_recipe)
def test_text_and_from_text_are_inverse(recipe: Recipe) -> None:
    assert Recipe.from_text(recipe.text) == recipe
    assert "/" not in recipe.text


@given(any_recipe, any_recipe)
def test_texts_are_equal_only_where_recipes_are(one: Recipe, two: Recipe) -> None:
    assert (one.text == two.text) == (one == two)


@given(any_recipe, st.sampled_from(recipes.TURNS))
def test_a_query_says_the_whole_recipe_in_one_order(recipe: Recipe, rotation: int) -> None:
    version = version_of(DIGEST, rotation)
    pairs = parse_qsl(query_of(recipe, version, "pass-_"), strict_parsing=True)
    assert [name for name, _ in pairs] == sorted(name for name, _ in pairs)
    told = dict(pairs)
    assert parse(told) == recipe
    assert (told["v"], told["s"]) == (version, "pass-_")
    assert not {"s", "v"} & dict(parse_qsl(query_of(recipe))).keys()


@given(
    st.dictionaries(st.sampled_from(["width", "height", "quality", "format", "v", "s"]), st.text()), st.text()
)
def test_whatever_is_asked_is_a_recipe_or_a_refusal(given_: dict[str, str], accept: str) -> None:
    try:
        recipe = parse(given_, accept)
    except RequestError as refused:
        assert refused.message.endswith(".")  # noqa: PT017  The other outcome is as right.
        return
    for side in (recipe.width, recipe.height):
        assert side is None or 1 <= side <= recipes.MOST_SIDE
    assert 1 <= recipe.quality <= 100
    assert recipe.content_type == f"image/{recipe.format}"
