"""The contract of YOLO26: what is fed, what is read, and what is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ml.errors import ModelError
from ml.objects.coco import LABELS
from ml.objects.yolo import GREY, Detector, Place, framed, read
from ml.runtime.client import onnx_model
from tests.ml.graphs import objects

pytestmark = pytest.mark.django_db


def detector(folder: Path, **options: Any) -> Detector:
    return Detector(onnx_model(objects.write(folder, **options) / objects.NAME))


def test_coco_has_eighty_names_in_their_order() -> None:
    assert len(LABELS) == len(set(LABELS)) == 80
    known = {
        0: "person",
        1: "bicycle",
        7: "truck",
        16: "dog",
        17: "horse",
        60: "dining table",
        77: "teddy bear",
    }
    assert {index: LABELS[index] for index in known} == known


def test_a_picture_lies_in_the_middle_of_a_grey_square() -> None:
    pixels = np.full((4, 8, 3), (255, 128, 0), dtype=np.uint8)
    square, place = framed(pixels, 8)
    assert (square.shape, str(square.dtype), place) == ((3, 8, 8), "uint8", Place(0, 2, 8, 4))
    assert np.all(square[:, 2:6] == np.array([255, 128, 0])[:, None, None])
    square[:, 2:6] = GREY
    assert np.all(square == GREY)


@pytest.mark.parametrize(
    "size", [(10, 20), (1280, 640), (5000, 2500), (3, 2000), (2000, 1), (1, 1), (940, 2)]
)
def test_the_longer_side_is_always_the_whole_square(size: tuple[int, int]) -> None:
    width, height = size
    square, place = framed(np.zeros((height, width, 3), dtype=np.uint8), 640)
    assert square.shape == (3, 640, 640)
    assert max(place.width, place.height) == 640
    assert min(place.width, place.height) >= 1


def row(*values: float) -> list[float]:
    return list(values)


def test_boxes_are_shares_of_the_picture_and_end_at_its_edges() -> None:
    rows = np.array([row(-5, 200, 320, 700, 0.9, 16)], dtype=np.float32)
    (found,) = read(rows, Place(0, 160, 640, 320), LABELS, 0.25)
    assert (found.label, found.index) == ("dog", 16)
    assert (found.x, found.y, found.width, found.height) == (0.0, 0.125, 0.5, 0.875)


def test_what_is_no_number_or_not_in_the_picture_is_left_out() -> None:
    rows = np.array(
        [
            row(10, 10, 20, 20, float("nan"), 0),
            row(10, float("inf"), 20, 20, 0.9, 0),
            row(10, 10, 20, 20, 0.9, 0),  # In the grey above the picture.
            row(30, 300, 20, 310, 0.9, 0),
            row(0, 0, 0, 0, 0, 0),
            row(10, 300, 20, 320, 0.2499, 0),
            row(10, 300, 20, 320, 0.3, 2),
            row(10, 300, 20, 320, 1.2, 3),
        ],
        dtype=np.float32,
    )
    found = read(rows, Place(0, 160, 640, 320), LABELS, 0.25)
    assert [(one.label, round(one.score, 2)) for one in found] == [("motorcycle", 1.0), ("car", 0.3)]


def test_a_class_without_a_name_is_refused() -> None:
    rows = np.array([row(10, 10, 20, 20, 0.9, 80)], dtype=np.float32)
    with pytest.raises(ModelError, match="class 80"):
        read(rows, Place(0, 0, 640, 640), LABELS, 0.25)


def test_a_tiny_model_finds_what_was_drawn(tmp_path: Path) -> None:
    pixels = objects.scene(
        [(objects.RED, (32, 18, 96, 90)), ((0, 128, 0), (160, 90, 320, 180))], size=(320, 180)
    )
    (found,) = detector(tmp_path / "m").find([pixels], 0.25, 100)
    assert [one.label for one in found] == ["person", "dog"]
    person, dog = found
    assert (person.x, person.y, person.width, person.height) == pytest.approx((0.1, 0.1, 0.2, 0.4), abs=0.005)
    assert (dog.x, dog.y, dog.width, dog.height) == pytest.approx((0.5, 0.5, 0.5, 0.5), abs=0.005)
    assert (person.score, dog.score) == pytest.approx((1.0, 128 / 255))


@pytest.mark.parametrize("batch", ["n", 1])
def test_many_pictures_are_found_as_one_by_one(tmp_path: Path, batch: int | str) -> None:
    model = detector(tmp_path / "m", batch=batch)
    assert model.at_once == (4 if batch == "n" else 1)
    pictures = [
        objects.scene([(color, (number, 0, number + 20, 20))], size=(100 + number, 50))
        for number, color in enumerate([objects.RED, objects.GREEN, objects.BLUE] * 3)
    ]
    found = model.find(pictures, 0.25, 100)
    assert found == [model.find([picture], 0.25, 100)[0] for picture in pictures]
    assert [one[0].label for one in found] == ["person", "dog", "car"] * 3


def test_the_cap_and_the_threshold_are_obeyed(tmp_path: Path) -> None:
    model = detector(tmp_path / "m")
    things = [((250, 0, 0), (0, 0, 9, 9)), ((0, 200, 0), (20, 20, 30, 30)), ((0, 0, 100), (40, 40, 50, 50))]
    pixels = objects.scene(things)
    assert [one.label for one in model.find([pixels], 0.25, 100)[0]] == ["person", "dog", "car"]
    assert [one.label for one in model.find([pixels], 0.25, 1)[0]] == ["person"]
    assert [one.label for one in model.find([pixels], 0.5, 100)[0]] == ["person", "dog"]
    assert model.find([pixels], 0.999, 100) == [[]]


def test_the_side_of_the_square_is_the_model_s(tmp_path: Path) -> None:
    model = detector(tmp_path / "m", side=320)
    assert model.side == 320
    pixels = objects.scene([(objects.BLUE, (0, 0, 32, 16))], size=(320, 160))
    ((car,),) = model.find([pixels], 0.25, 100)
    assert (car.width, car.height) == pytest.approx((0.1, 0.1), abs=0.005)


def test_names_are_the_model_s_own_where_it_has_them(tmp_path: Path) -> None:
    own = [f"Ding {number}" for number in range(80)]
    assert detector(tmp_path / "a", names=own).labels[16] == "Ding 16"
    assert detector(tmp_path / "b", names=None).labels == LABELS
    assert detector(tmp_path / "c", names=str(own)).labels == tuple(own)
    assert detector(tmp_path / "d", names=str(list(range(80)))).labels[16] == "16"
    assert detector(tmp_path / "e", names=str(["a\0b"] * 80)).labels[16] == "ab"


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"names": ["face"]}, "knows 1 things"),
        ({"names": ["thing"] * 365}, "knows 365 things"),
        ({"names": "{0: 'per"}, "cannot be read"),
        ({"names": "__import__('os')"}, "cannot be read"),
    ],
)
def test_a_model_of_other_things_is_refused(tmp_path: Path, options: dict[str, Any], why: str) -> None:
    with pytest.raises(ModelError, match=why):
        detector(tmp_path / "m", **options)


def test_a_model_with_another_output_is_refused(tmp_path: Path) -> None:
    model = detector(tmp_path / "m", columns=84)
    with pytest.raises(ModelError, match="it gives"):
        model.find([objects.scene([])], 0.25, 100)


def test_what_takes_no_pictures_is_refused(tmp_path: Path) -> None:
    from tests.ml.graphs import sounds

    with pytest.raises(ModelError, match="it takes"):
        Detector(onnx_model(sounds.write(tmp_path) / sounds.NAME))


def test_half_precision_is_fed_as_the_model_takes_it(tmp_path: Path) -> None:
    import onnx
    from onnx import TensorProto, helper

    folder = objects.write(tmp_path / "m")
    model = onnx.load(folder / objects.NAME)
    (given,) = model.graph.input
    given.type.tensor_type.elem_type = TensorProto.FLOAT16
    for node in model.graph.node:
        node.input[:] = ["pictures" if name == given.name else name for name in node.input]
    model.graph.node.insert(0, helper.make_node("Cast", [given.name], ["pictures"], to=TensorProto.FLOAT))
    onnx.save(model, folder / objects.NAME)
    half = Detector(onnx_model(folder / objects.NAME))
    assert half.model.inputs[0].dtype == "float16"
    ((person,),) = half.find([objects.scene([(objects.RED, (0, 0, 32, 18))])], 0.25, 100)
    assert person.label == "person"


@pytest.mark.shared
def test_the_real_model_has_coco_s_names(shared_models: Path) -> None:
    found = Detector(onnx_model(shared_models / "yolox_nano_yolo26_contract.onnx"))
    assert (found.labels, found.side, found.at_once) == (LABELS, 640, 1)
