"""Films that several tests look at, made once."""

from pathlib import Path

import pytest

from tests.makers import make_black_then_picture, make_video


@pytest.fixture(scope="session")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    make_video(folder / "plain.mp4", seconds=3, size=(640, 360))
    make_video(folder / "silent.mp4", seconds=1, audio=False)
    make_black_then_picture(folder / "late.mp4")
    return folder
