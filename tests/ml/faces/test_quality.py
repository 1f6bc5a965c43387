"""What makes a face a good one: each part alone, from 0 to 1."""

import numpy as np
import pytest

from ml.faces import quality
from ml.faces.arcface import TEMPLATE
from tests.makers import Pixels


def picture(contrast: float = 60.0) -> Pixels:
    noise = np.random.default_rng(3).normal(128, contrast / 4, (112, 112, 1))
    return np.repeat(noise.clip(0, 255), 3, axis=2).astype(np.uint8)


def test_a_large_sharp_frontal_face_is_good_and_never_above_one() -> None:
    best = quality.quality(picture(), TEMPLATE, 400, 0.99)
    assert 0.8 < best <= 1
    assert quality.quality(picture(), TEMPLATE, 80, 0.6) >= 0.5


def test_each_part_counts() -> None:
    best = quality.quality(picture(), TEMPLATE, 112, 0.9)
    assert quality.quality(picture(), TEMPLATE, 20, 0.9) < best
    assert quality.quality(picture(2), TEMPLATE, 112, 0.9) < best
    assert quality.quality(picture(), TEMPLATE, 112, 0.3) < best
    aside = TEMPLATE.copy()
    aside[2, 0] += 10
    assert quality.quality(picture(), aside, 112, 0.9) < best
    assert quality.quality(np.zeros_like(picture()), TEMPLATE, 112, 0.9) == 0


def test_a_face_is_frontal_whichever_way_up_it_is_and_however_large() -> None:
    for scale in (0.3, 4):
        for degrees in (0, 90, 200):
            angle = np.radians(degrees)
            turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
            assert quality.frontality(scale * TEMPLATE @ turn.T) == pytest.approx(0.975, abs=0.03)


def test_profiles_and_points_that_make_no_face_are_not_frontal() -> None:
    profile = TEMPLATE.copy()
    profile[:2, 0] = 60, 66
    profile[2, 0] = 80
    assert quality.frontality(profile) == 0
    assert quality.frontality(np.zeros((5, 2))) == 0
    looking_up = TEMPLATE.copy()
    looking_up[2, 1] = 55
    assert quality.frontality(looking_up) < 0.3


def smeared(face: Pixels, axis: int, length: int) -> Pixels:
    """As a movement along one axis leaves it."""
    moved = [np.roll(face.astype(float), step, axis=axis) for step in range(length)]
    found: Pixels = np.rint(np.mean(moved, axis=0)).astype(np.uint8)
    return found


def test_what_is_blurred_along_one_axis_alone_is_blurred() -> None:
    soft = smeared(smeared(picture(100), 0, 3), 1, 3)
    assert not quality.is_blurred(picture())
    assert not quality.is_blurred(soft)
    assert quality.is_blurred(np.full_like(soft, 90)), "nothing is to be seen"
    smooth = np.linspace(0, 200, 112)[None, :, None] + np.zeros((112, 112, 3))
    stripes = smooth + 40 * (np.arange(112) % 2)[:, None, None]
    for turned in (stripes, stripes.transpose(1, 0, 2)):
        assert quality.is_blurred(turned.clip(0, 255).astype(np.uint8))
