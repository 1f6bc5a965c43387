"""Bytes on their way to a model: what they mean there, whatever type its input is of."""

from pathlib import Path

import numpy as np
import pytest

from ml.runtime import shades
from ml.runtime.client import onnx_model
from ml.runtime.shades import Shades
from tests.ml.graphs import plain

pytestmark = pytest.mark.usefixtures("own_host")

NUMBERS = np.array([[0, 127, 255]], dtype=np.uint8)


def test_each_number_is_moved_and_scaled_as_the_contract_says() -> None:
    told = Shades(NUMBERS, 127.5, 128).floats()
    assert told.dtype == np.float32
    assert told.tolist() == [[-127.5 / 128, -0.5 / 128, 127.5 / 128]]


@pytest.mark.parametrize(("wanted", "dtype"), [("float32", np.float32), ("float16", np.float16)])
def test_an_input_is_given_its_own_type_and_others_are_left_alone(wanted: str, dtype: type) -> None:
    length = np.array([3], dtype=np.int64)
    told = shades.told({"x": Shades(NUMBERS, 0, 255), "length": length})
    assert told == {"x": (0, 255)}
    found = shades.applied({"x": NUMBERS, "length": length}, told, {"x": wanted, "length": "int64"})
    assert found["x"].dtype == dtype
    assert found["x"].tolist() == (NUMBERS / np.float32(255)).astype(dtype).tolist()
    assert found["length"] is length


def test_the_host_makes_the_numbers_of_them(tmp_path: Path) -> None:
    model = onnx_model(plain.doubling(tmp_path / "a.onnx"))
    given = model.run({"x": Shades(NUMBERS, 127.5, 128)})["y"]
    assert given == pytest.approx(2 * Shades(NUMBERS, 127.5, 128).floats())
