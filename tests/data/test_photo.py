"""Photos on their way to what networks saw in training."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from isofield.data.photo import FILL, read_photo
from isofield.errors import InputError

RED = np.array([200, 30, 30], np.uint8)


def saved(path: Path, image: np.ndarray) -> Path:
    Image.fromarray(image).save(path)
    return path


def with_object(ground: int, rows: slice = slice(20, 60), columns: slice = slice(50, 70)) -> np.ndarray:
    image = np.full((100, 160, 3), ground, np.uint8)
    image[rows, columns] = RED
    return image


def reddish(image: np.ndarray) -> np.ndarray:
    return np.abs(image * 255 - RED).max(axis=2) < 2


def test_an_even_ground_becomes_white_and_the_object_fills_the_square(tmp_path: Path) -> None:
    photo, said = read_photo(saved(tmp_path / "a.png", with_object(120)))
    assert said == []
    assert photo.image.shape[0] == photo.image.shape[1]
    found = reddish(photo.image)
    assert found.any(axis=1).sum() == 40
    assert 40 / photo.image.shape[0] == pytest.approx(FILL, abs=0.02)
    assert (photo.image[~found] == 1).all()
    rows, columns = np.nonzero(found)
    np.testing.assert_allclose([rows.mean(), columns.mean()], (photo.image.shape[0] - 1) / 2, atol=1)


def test_transparency_says_what_the_object_is(tmp_path: Path) -> None:
    alpha = np.zeros((100, 160, 1), np.uint8)
    alpha[20:60, 50:70] = 255
    noisy = np.random.default_rng(0).integers(0, 255, (100, 160, 3), dtype=np.uint8)
    noisy[20:60, 50:70] = RED
    photo, said = read_photo(saved(tmp_path / "a.png", np.concatenate([noisy, alpha], axis=2)))
    assert said == []
    assert reddish(photo.image).sum() == 40 * 20
    assert (photo.image[~reddish(photo.image)] == 1).all()


@pytest.mark.parametrize(
    ("image", "sentence"),
    [
        (np.random.default_rng(0).integers(0, 255, (80, 80, 3), dtype=np.uint8), "not of one colour"),
        (with_object(120, slice(60, 100)), "cut off by the picture's edge"),
        (with_object(120, slice(50, 55), slice(50, 55)), "very small"),
        (np.full((50, 80, 3), 255, np.uint8), "no object stands out"),
    ],
)
def test_what_is_unlike_the_training_is_said(tmp_path: Path, image: np.ndarray, sentence: str) -> None:
    photo, said = read_photo(saved(tmp_path / "a.png", image))
    assert sentence in " ".join(said)
    assert photo.image.shape[0] == photo.image.shape[1]


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("nothing")
    with pytest.raises(InputError, match="no picture"):
        read_photo(tmp_path / "a.png")
