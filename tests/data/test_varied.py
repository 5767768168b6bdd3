"""Pictures in other light and frames."""

import numpy as np
import pytest

from isofield.data.varied import MARGIN, recoloured, widened


@pytest.fixture
def picture():
    """A red and blue object on white."""
    image = np.ones((20, 20, 3), np.float32)
    image[5:15, 5:10] = (0.8, 0.2, 0.1)
    image[5:15, 10:15] = (0.1, 0.2, 0.7)
    return image


def draws(seed=0):
    return np.random.default_rng(seed)


def test_strength_0_leaves_the_picture(picture):
    assert recoloured(picture, draws(), 0.0) == pytest.approx(picture, abs=1e-6)
    assert widened(picture, 0.0) is not picture
    assert (widened(picture, 0.0) == picture).all()


@pytest.mark.parametrize("seed", range(8))
def test_white_stays_white_and_colours_change(picture, seed):
    lit = recoloured(picture, draws(seed), 1.0)
    background = picture.min(-1) == 1
    assert (lit[background] == 1).all()
    assert np.abs(lit[~background] - picture[~background]).max() > 0.02
    assert lit.min() >= 0
    assert lit.max() <= 1
    assert (lit == recoloured(picture, draws(seed), 1.0)).all()


def test_some_pictures_lose_their_colours(picture):
    spans = [np.ptp(recoloured(picture, draws(seed), 1.0)[5:15, 5:15], axis=-1).max() for seed in range(300)]
    assert np.mean(np.array(spans) < 1e-5) == pytest.approx(0.3, abs=0.08)


def test_the_border_is_drawn_outwards(picture):
    picture[0] = 0.5
    wide = widened(picture, 1.0)
    margin = round(MARGIN * 20)
    assert wide.shape == (20 + 2 * margin, 20 + 2 * margin, 3)
    assert (wide[margin:-margin, margin:-margin] == picture).all()
    assert (wide[:margin] == 0.5).all()
