"""Faces through the frames of a film: who is who, when each is to be seen, which frame shows it best."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ml.faces import tracks
from ml.faces.boxes import Box
from ml.faces.seeing import Seen
from ml.faces.tracks import Tracks

ANN, BEN = 0, 1
LEFT, RIGHT = Box(0.1, 0.2, 0.2, 0.3), Box(0.6, 0.2, 0.2, 0.3)


def embedding(who: int, noise: float = 0.0, seed: int = 0) -> Any:
    vector = np.zeros(512, np.float32)
    vector[who] = 1
    vector += np.random.default_rng(seed).normal(0, noise / np.sqrt(512), 512).astype(np.float32)
    return vector / np.linalg.norm(vector)


def seen(who: int | None, box: Box = LEFT, quality: float = 0.5, **noise: Any) -> Seen:
    return Seen(box, (), 0.9, quality, None if who is None else embedding(who, **noise))


def crop_of(face: Seen) -> Any:
    return np.full((4, 4, 3), round(face.quality * 100), np.uint8)


def followed(*frames: list[Seen], step: float = 2.0) -> Tracks:
    film = Tracks()
    for number, faces in enumerate(frames):
        film.add(number * step, faces, crop_of)
    return film


def test_one_face_is_one_track_wherever_it_goes_with_its_best_frame() -> None:
    film = followed(
        [seen(ANN, LEFT, 0.4)],
        [seen(ANN, RIGHT, 0.8, noise=0.5, seed=1)],
        [seen(ANN, LEFT, 0.6, noise=0.5, seed=2)],
    )
    (track,) = film.tracks
    assert (track.second, track.best.box, track.best.quality) == (2.0, RIGHT, 0.8)
    assert track.crop[0, 0, 0] == 80
    assert [second for second, _ in track.sightings] == [0.0, 2.0, 4.0]
    assert film.spans(track, 7.5) == [(0.0, 7.5)]


def test_spans_end_where_the_face_is_not_seen_any_more() -> None:
    film = followed([seen(ANN)], [], [seen(ANN)], [seen(ANN)], [seen(BEN)])
    ann, ben = film.tracks
    assert film.spans(ann, 9.0) == [(0.0, 2.0), (4.0, 8.0)]
    assert film.spans(ben, 9.0) == [(8.0, 9.0)]
    assert film.spans(ben, 0.0) == [(8.0, 8.0)], "no length is known"


def test_two_faces_of_one_frame_are_never_one_track_not_even_twins() -> None:
    film = followed([seen(ANN, LEFT), seen(ANN, RIGHT)], [seen(ANN, LEFT), seen(ANN, RIGHT)])
    assert len(film.tracks) == 2
    assert [[box for _, box in track.sightings] for track in film.tracks] == [[LEFT, LEFT], [RIGHT, RIGHT]]


def test_the_best_pairs_are_made_first() -> None:
    film = followed(
        [seen(ANN, LEFT), seen(BEN, RIGHT)], [seen(BEN, LEFT, noise=0.4), seen(ANN, RIGHT, noise=0.4)]
    )
    assert len(film.tracks) == 2
    for who, track in zip((ANN, BEN), film.tracks, strict=True):
        assert track.total is not None
        assert int(np.argmax(track.total)) == who


def test_another_person_in_the_same_place_is_another_track() -> None:
    film = followed([seen(ANN, LEFT)], [seen(BEN, LEFT)], [seen(ANN, LEFT)])
    assert [len(track.sightings) for track in film.tracks] == [2, 1]


def test_a_blurred_face_that_stays_where_it_was_goes_on() -> None:
    half = Seen(LEFT, (), 0.9, 0.2, (embedding(ANN) + embedding(BEN) * 1.6) / np.float32(np.hypot(1, 1.6)))
    cosine = 1 / np.hypot(1, 1.6)
    assert tracks.SIMILAR < cosine < tracks.ALIKE
    assert len(followed([seen(ANN, LEFT)], [half]).tracks) == 1
    assert len(followed([seen(ANN, RIGHT)], [half]).tracks) == 2
    assert len(followed([seen(ANN, LEFT)], [], [half]).tracks) == 2, "only from one frame to the next"


def test_without_embeddings_the_place_decides() -> None:
    assert len(followed([seen(None, LEFT)], [seen(None, LEFT)]).tracks) == 1
    assert len(followed([seen(None, LEFT)], [seen(None, RIGHT)]).tracks) == 2
    mixed = followed([seen(None, LEFT)], [seen(ANN, LEFT)], [seen(ANN, RIGHT)])
    assert len(mixed.tracks) == 1


def test_a_crowd_leaves_the_best_faces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracks, "MOST", 3)
    film = followed([seen(number, LEFT, number / 10) for number in range(6)])
    assert [track.best.quality for track in film.tracks] == pytest.approx([0.5, 0.4, 0.3])


def test_a_film_without_faces_has_no_tracks() -> None:
    film = followed([], [], [])
    assert film.tracks == []
    assert film.seconds == [0.0, 2.0, 4.0]


def test_a_sharp_picture_goes_before_a_blurred_one_however_good() -> None:
    sharp, blurred = seen(ANN, quality=0.0), replace(seen(ANN, quality=0.9), blurred=True)
    for frames in ([sharp], [blurred], [seen(ANN, quality=0.1)]), ([blurred], [sharp], [blurred]):
        (track,) = followed(*frames).tracks
        assert not track.best.blurred
    assert followed([blurred], [replace(blurred, quality=0.2)]).tracks[0].best.quality == 0.9
