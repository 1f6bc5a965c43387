"""Alignment against rotations, sizes and places that are known; what the recogniser is given and how it is read."""

from dataclasses import dataclass, field
from math import cos, radians, sin
from typing import Any

import numpy as np
import pytest

from ml.errors import ModelError
from ml.faces import arcface
from ml.faces.arcface import TEMPLATE, Recogniser

Matrix = np.ndarray[Any, np.dtype[np.float64]]


def turned(points: Matrix, degrees: float, scale: float, move: tuple[float, float]) -> Matrix:
    angle = radians(degrees)
    turn = np.array([[cos(angle), -sin(angle)], [sin(angle), cos(angle)]])
    there: Matrix = scale * points @ turn.T + np.array(move)
    return there


@pytest.mark.parametrize("degrees", [0, 17, 90, 180, -135])
@pytest.mark.parametrize("scale", [0.2, 1, 7.5])
def test_turn_size_and_place_are_found_exactly(degrees: float, scale: float) -> None:
    source = turned(TEMPLATE, degrees, scale, (300, -40))
    matrix = arcface.similarity(source, TEMPLATE)
    assert matrix is not None
    there = np.concatenate([source, np.ones((5, 1))], axis=1) @ matrix.T
    assert np.allclose(there, TEMPLATE, atol=1e-6)
    assert np.linalg.det(matrix[:, :2]) == pytest.approx(scale**-2)


def test_noise_moves_the_result_little_and_a_mirrored_face_is_never_mirrored_back() -> None:
    noise = np.random.default_rng(1).normal(0, 1, (5, 2))
    matrix = arcface.similarity(TEMPLATE + noise, TEMPLATE)
    assert matrix is not None
    assert np.abs(matrix - [[1, 0, 0], [0, 1, 0]])[:, :2].max() < 0.05
    mirrored = arcface.similarity(TEMPLATE * [-1, 1], TEMPLATE)
    assert mirrored is not None
    assert np.linalg.det(mirrored[:, :2]) > 0


@pytest.mark.parametrize("points", [np.zeros((5, 2)), np.full((5, 2), np.nan), np.full((5, 2), 1e300)])
def test_points_that_make_no_face_give_none(points: Matrix) -> None:
    with np.errstate(all="ignore"):
        assert arcface.aligned(np.zeros((50, 50, 3), np.uint8), points) is None


def test_the_face_lands_on_the_template_at_every_size_and_angle() -> None:
    """A bright spot at each landmark of a large picture is a bright spot at the template's place."""
    for degrees, scale in ((0, 1.0), (30, 2.0), (-60, 6.0)):
        points = turned(TEMPLATE - 56, degrees, scale, (500, 400))
        pixels = np.zeros((800, 1000, 3), dtype=np.uint8)
        radius = max(2, round(3 * scale))
        for x, y in points.round().astype(int):
            pixels[y - radius : y + radius + 1, x - radius : x + radius + 1] = 255
        face = arcface.aligned(pixels, points)
        assert face is not None
        assert face.shape == (112, 112, 3)
        for x, y in TEMPLATE.round().astype(int):
            assert face[y, x].min() > 200, (degrees, scale)
        assert face[10, 10].max() == 0


def test_fine_patterns_become_grey_and_not_noise() -> None:
    """A chequered board of single pixels, eight times too large: each pixel of the face is the mean of many."""
    down, across = np.mgrid[:1200, :1200]
    board = np.repeat(((down + across) % 2 * 255).astype(np.uint8)[:, :, None], 3, axis=2)
    face = arcface.aligned(board, turned(TEMPLATE, 0, 8, (100, 100)))
    assert face is not None
    assert face.min() >= 120
    assert face.max() <= 136


def test_beside_the_picture_is_black_and_a_face_wholly_outside_is_all_black() -> None:
    white = np.full((100, 100, 3), 255, np.uint8)
    half = arcface.aligned(white, TEMPLATE - [56, 0])
    assert half is not None
    assert half[50, 5].max() == 0
    assert half[50, 60].min() == 255
    for scale in (1, 6):
        outside = arcface.aligned(white, turned(TEMPLATE, 0, scale, (5000, 5000)))
        assert outside is not None
        assert outside.max() == 0


def test_values_are_those_of_the_contract_in_the_order_rgb() -> None:
    face = np.zeros((112, 112, 3), np.uint8)
    face[:] = (255, 127, 0)
    tensor = arcface.prepared([face, face]).floats()
    assert tensor.shape == (2, 3, 112, 112)
    assert tensor.dtype == np.float32
    assert tensor[1, :, 7, 9] == pytest.approx([1, (127 - 127.5) / 127.5, -1])


@dataclass(frozen=True)
class Input:
    name: str = "input.1"


@dataclass
class Model:
    """Answers with as many numbers as it is told, and remembers how many faces came at once."""

    length: int = 512
    batches: bool = True
    value: float = 3.0
    inputs: tuple[Input, ...] = (Input(),)
    seen: list[int] = field(default_factory=list)

    def run(self, feeds: dict[str, Any]) -> dict[str, Any]:
        count = len(feeds["input.1"].numbers)
        self.seen.append(count)
        return {"683": np.full((count, self.length), self.value, np.float32)}


def recogniser(**options: Any) -> tuple[Recogniser, Model]:
    model = Model(**options)
    return Recogniser(model), model  # type: ignore[arg-type]  # The three things of a model that it uses.


FACES = [np.zeros((112, 112, 3), np.uint8)] * 70


def test_embeddings_have_length_one_and_come_in_batches() -> None:
    ours, model = recogniser()
    found = ours.embed(FACES)
    assert len(found) == 70
    assert model.seen == [32, 32, 6]
    assert found[0] is not None
    assert np.linalg.norm(found[0]) == pytest.approx(1, abs=1e-6)
    one_by_one, single = recogniser(batches=False)
    assert len(one_by_one.embed(FACES[:3])) == 3
    assert single.seen == [1, 1, 1]
    assert ours.embed([]) == []


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf])
def test_an_answer_without_a_direction_is_none(value: float) -> None:
    assert recogniser(value=value)[0].embed(FACES[:1]) == [None]


def test_another_length_is_another_contract() -> None:
    with pytest.raises(ModelError, match="not 512 numbers"):
        recogniser(length=128)[0].embed(FACES[:1])
