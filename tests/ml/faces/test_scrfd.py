"""What a detector of the SCRFD contract is given, and how its answers are read: tensors made by hand."""

from typing import Any

import numpy as np
import pytest

from ml.errors import ModelError
from ml.faces import scrfd
from ml.faces.scrfd import Faces

SIDE = 64
"""Two cells of 32, four of 16, eight of 8 along each side."""


def silence(names: str = "444555666") -> dict[str, Any]:
    """Nine outputs that see nothing, in the order of the real file."""
    cells = {stride: 2 * (SIDE // stride) ** 2 for stride in scrfd.STRIDES}
    shapes = [(cells[stride], width) for width in (1, 4, 10) for stride in scrfd.STRIDES]
    return {f"{names}{number}": np.zeros(shape, dtype=np.float32) for number, shape in enumerate(shapes)}


def say(
    outputs: dict[str, Any], level: int, row: int, score: float, box: Any = (1, 1, 1, 1), point: float = 0
) -> None:
    names = list(outputs)
    outputs[names[level]][row] = score
    outputs[names[3 + level]][row] = box
    outputs[names[6 + level]][row] = point


def faces(*boxes: tuple[float, ...], scores: list[float]) -> Faces:
    corners = np.array(boxes, dtype=np.float32).reshape(-1, 4)
    return Faces(corners, np.zeros((len(corners), 5, 2), np.float32), np.array(scores, np.float32))


def test_a_picture_is_padded_with_black_at_the_right_and_below_and_scaled() -> None:
    shades, scale = scrfd.prepared(np.full((100, 200, 3), 255, dtype=np.uint8), 64)
    tensor = shades.floats()
    assert tensor.shape == (1, 3, 64, 64)
    assert tensor.dtype == np.float32
    assert scale == 0.32
    assert np.allclose(tensor[0, :, :32], (255 - 127.5) / 128)
    assert np.allclose(tensor[0, :, 32:], -127.5 / 128)


def test_colours_stay_in_their_order_and_small_pictures_are_made_larger() -> None:
    pixels = np.zeros((16, 8, 3), dtype=np.uint8)
    pixels[:] = (10, 20, 30)
    shades, scale = scrfd.prepared(pixels, 64)
    tensor = shades.floats()
    assert scale == 4
    assert np.allclose(tensor[0, :, 5, 5] * 128 + 127.5, (10, 20, 30))
    assert np.allclose(tensor[0, :, 5, 40] * 128 + 127.5, 0)


@pytest.mark.parametrize(("level", "stride"), [(0, 8), (1, 16), (2, 32)])
def test_boxes_and_landmarks_are_distances_from_the_anchor_in_strides(level: int, stride: int) -> None:
    outputs = silence()
    # Both anchors of a cell stand on its corner: rows 2n and 2n + 1 of cell n, cells row by row.
    cells = SIDE // stride
    row = 2 * (cells + 1) + 1
    say(outputs, level, row, 0.75, (0.5, 0.25, 1, 0.75), 0.125)
    found = scrfd.read(outputs, SIDE, 0.5)
    assert len(found) == 1
    assert found.boxes[0] == pytest.approx([0.5 * stride, 0.75 * stride, 2 * stride, 1.75 * stride])
    assert found.landmarks[0] == pytest.approx(np.full((5, 2), 1.125 * stride))
    assert found.scores[0] == pytest.approx(0.75)


def test_outputs_are_known_by_their_shape_whatever_they_are_called_and_in_whatever_order() -> None:
    outputs = silence()
    say(outputs, 1, 6, 0.9, (1, 1, 1, 1))
    shuffled = {f"out{9 - number}": array for number, (_, array) in enumerate(reversed(outputs.items()))}
    assert np.array_equal(scrfd.read(shuffled, SIDE, 0.5).boxes, scrfd.read(outputs, SIDE, 0.5).boxes)
    batched = {name: array[None] for name, array in outputs.items()}
    assert len(scrfd.read(batched, SIDE, 0.5)) == 1


def test_the_threshold_is_where_it_is_said() -> None:
    outputs = silence()
    for row, score in enumerate((0.279, 0.281, 0.5, 0.999)):
        say(outputs, 0, 2 * row, score, (0.1, 0.1, 0.1, 0.1))
    counts = [len(scrfd.read(outputs, SIDE, least)) for least in (0.05, 0.28, 0.3, 0.99, 1.0)]
    assert counts == [4, 3, 2, 1, 0]


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_no_face(odd: float) -> None:
    outputs = silence()
    say(outputs, 0, 0, odd)
    say(outputs, 1, 0, 0.9, (odd, 1, 1, 1))
    say(outputs, 2, 0, 0.9, point=odd)
    found = scrfd.read(outputs, SIDE, 0.5)
    assert np.isfinite(found.boxes).all()
    assert np.isfinite(found.landmarks).all()
    assert (found.scores <= 1).all()


def test_another_contract_is_told_apart() -> None:
    with pytest.raises(ModelError, match="outputs of 1 columns"):
        scrfd.read({"output0": np.zeros((1, 300, 6), np.float32)}, SIDE, 0.5)
    with pytest.raises(ModelError, match="grid of 128 anchors"):
        scrfd.read({name: array[::2] for name, array in silence().items()}, SIDE, 0.5)


@pytest.mark.parametrize(
    ("shape", "side"),
    [((1, 3, "h", "w"), None), ((1, 3, None, None), None), ((1, 3, 640, 640), 640), ((1, 3, -1, -1), None)],
)
def test_a_model_may_say_its_only_size(shape: tuple[int | str | None, ...], side: int | None) -> None:
    assert scrfd.fixed_side(shape) == side


@pytest.mark.parametrize("shape", [(1, 3, 240, 320), (1, 3), (1, 3, 100, 100)])
def test_a_size_that_the_contract_does_not_have_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ModelError, match=r"not \[1, 3, 640, 640\]"):
        scrfd.fixed_side(shape)


def test_of_boxes_that_overlap_by_more_than_four_tenths_the_best_is_kept() -> None:
    # The second covers 2/3 of the union with the first, the third 1/3 and the last one nothing.
    found = faces(
        (0, 0, 10, 10), (2, 0, 12, 10), (5, 0, 15, 10), (40, 40, 50, 50), scores=[0.6, 0.9, 0.5, 0.7]
    )
    kept = scrfd.suppressed(found)
    assert kept.scores.tolist() == pytest.approx([0.9, 0.7])
    apart = faces((0, 0, 10, 10), (5, 0, 15, 10), scores=[0.6, 0.9])
    assert len(scrfd.suppressed(apart)) == 2
    assert len(scrfd.suppressed(faces(scores=[]))) == 0


def test_boxes_are_cut_to_the_picture_and_those_outside_are_gone() -> None:
    found = faces((-5, -5, 10, 10), (95, 20, 120, 40), (101, 0, 130, 20), scores=[0.9, 0.8, 0.7])
    kept = found.within(100, 50)
    assert kept.boxes.tolist() == [[0, 0, 10, 10], [95, 20, 100, 40]]


def test_a_crowd_of_small_faces_is_looked_at_again_and_the_large_one_stays() -> None:
    row = [(40 * place, 0, 40 * place + 16, 20) for place in range(8)]
    crowd = faces(*row, scores=[0.5] * 8)
    assert scrfd.crowded(crowd)
    assert not scrfd.crowded(crowd.only(slice(5)))
    assert not scrfd.crowded(crowd.scaled(3))
    coarse = faces((0, 0, 16, 20), (100, 100, 400, 420), (200, 0, 216, 20), scores=[0.5, 0.8, 0.4])
    fine = faces((1, 0, 17, 20), (110, 100, 400, 400), scores=[0.9, 0.9])
    both = scrfd.together(coarse, fine, 640)
    assert len(both) == 2, "the large one was seen twice, and what only the coarse look saw was a mistake"
    assert len(scrfd.together(coarse, fine.only(slice(1)), 640)) == 2, "seen whole by the coarse look alone"
