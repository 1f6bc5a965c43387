"""The registry of variants: the reference's table, and the rule from a source's size to a recipe."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.images import variants
from media.images.recipes import Recipe, parse

REFERENCE = {
    "search": (80, 80, 70, "jpeg", "fixed"),
    "timeline": (240, 240, 70, "webp", "fixed"),
    "face": (300, 300, 80, "jpeg", "fixed"),
    "card": (720, 360, 82, "jpeg", "capped"),
    "preview": (1920, 1080, 90, "jpeg", "capped"),
}
sides = st.one_of(st.none(), st.integers(min_value=1, max_value=100_000))


def test_the_table_is_that_of_the_reference() -> None:
    told = {
        one.name: (one.width, one.height, one.quality, one.format, one.sizing) for one in variants.VARIANTS
    }
    assert told == REFERENCE
    assert list(told) == list(REFERENCE)
    assert variants.VARIANTS_VERSION >= 1


def test_what_the_web_app_is_told_is_the_whole_table() -> None:
    told = variants.as_json()
    assert told["version"] == variants.VARIANTS_VERSION
    names = ("width", "height", "quality", "format", "sizing")
    assert {one["name"]: tuple(one[name] for name in names) for one in told["variants"]} == REFERENCE


@pytest.mark.parametrize(
    ("name", "source", "expected"),
    [
        ("card", (500, 333), Recipe(500, 333, 82)),  # The reference's own example: w500, not w720.
        ("card", (4000, 3000), Recipe(720, 360, 82)),
        ("card", (4000, 100), Recipe(720, 100, 82)),
        ("card", (720, 360), Recipe(720, 360, 82)),
        ("card", (None, None), Recipe(720, 360, 82)),
        ("card", (500, None), Recipe(720, 360, 82)),
        ("preview", (1, 1), Recipe(1, 1, 90)),
        ("preview", (1080, 1920), Recipe(1080, 1080, 90)),
        ("search", (40, 30), Recipe(80, 80, 70)),
        ("timeline", (40, 30), Recipe(240, 240, 70, "webp")),
        ("face", (10_000, 1), Recipe(300, 300, 80)),
    ],
)
def test_capped_asks_for_no_more_than_there_is_and_fixed_for_the_whole_box(
    name: str, source: tuple[int | None, int | None], expected: Recipe
) -> None:
    assert variants.BY_NAME[name].resolve(*source) == expected


@given(width=sides, height=sides)
def test_every_resolved_recipe_is_registered_and_survives_its_own_query(
    width: int | None, height: int | None
) -> None:
    for recipe in variants.resolve_all(width, height).values():
        assert variants.is_registered(recipe, width, height)
        asked = {
            "width": str(recipe.width),
            "height": str(recipe.height),
            "quality": str(recipe.quality),
            "format": recipe.format,
        }
        assert parse(asked) == recipe
        assert Recipe.from_text(recipe.text) == recipe


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe(720, 360, 82, "webp"),  # Another format.
        Recipe(720, 360, 81),  # Another quality.
        Recipe(719, 360, 82),  # Another box.
        Recipe(None, 360, 82),
        Recipe(),
    ],
)
def test_a_free_size_is_not_registered(recipe: Recipe) -> None:
    assert not variants.is_registered(recipe, 4000, 3000)


def test_what_is_registered_depends_on_the_source() -> None:
    assert variants.is_registered(Recipe(500, 333, 82), 500, 333)
    assert not variants.is_registered(Recipe(500, 333, 82), 4000, 3000)
    assert not variants.is_registered(Recipe(720, 360, 82), 500, 333)


@pytest.mark.parametrize(("rotation", "expected"), [(0, (4, 3)), (90, (3, 4)), (180, (4, 3)), (270, (3, 4))])
def test_a_quarter_turn_swaps_the_sides(rotation: int, expected: tuple[int, int]) -> None:
    assert variants.turned(4, 3, rotation) == expected
    assert variants.turned(None, None, rotation) == (None, None)
