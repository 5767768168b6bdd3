"""Pixels of many objects' pictures: masks from white backgrounds, cameras of the data set, other views."""

import numpy as np
import pytest
import torch
from PIL import Image

from isofield.data.posed import PosedSource, outline
from isofield.errors import InputError

SIZE = 24


@pytest.fixture
def root(tmp_path):
    """Three models with two pictures of a square in their colour; the second camera is further away."""
    for number in range(3):
        folder = tmp_path / "things" / f"model{number}"
        pictures = folder / "img_choy2016"
        pictures.mkdir(parents=True)
        points = np.random.default_rng(number).uniform(-0.5, 0.5, (50, 3)).astype(np.float16)
        occupied = np.packbits(points[:, 0] > 0)
        np.savez(folder / "points.npz", points=points, occupancies=occupied, loc=np.zeros(3), scale=1.0)
        cameras = {}
        for view in range(2):
            image = np.full((SIZE, SIZE, 3), 255, np.uint8)
            image[8:16, 8:16] = [60 * number, 100 * view, 50]
            Image.fromarray(image).save(pictures / f"{view:03d}.png")
            matrix = np.concatenate([np.eye(3), [[0], [0], [2.0 + view]]], 1)
            cameras[f"world_mat_{view}"] = np.concatenate([matrix, [[0, 0, 0, 1]]])
            cameras[f"camera_mat_{view}"] = np.diag([2.0, 2.0, 1.0])
        np.savez(pictures / "cameras.npz", **cameras)
    for split in ("train", "val"):
        (tmp_path / "things" / f"{split}.lst").write_text("model0\nmodel1\nmodel2\n")
    return tmp_path


def source(root, **changes):
    choices = {"image_size": SIZE, "rays": 40, "on_object": 0.5, **changes}
    return PosedSource.of(root, 0, 3, 0, 2, (), **choices)


def test_pixels_are_of_the_other_picture_of_the_same_model(root):
    batch = source(root).batch(0, 0, 1)
    assert batch.images.shape == (3, SIZE, SIZE, 3)
    assert batch.directions.shape == (3, 40, 3)
    for k in range(3):
        seen = batch.images[k, 12, 12]
        asked = batch.colours[k][batch.mask[k] > 0.5].mean(0)
        torch.testing.assert_close(seen[0], asked[0])
        assert (seen[1] - asked[1]).abs() > 0.3
        distance = batch.origins[k].norm(dim=-1)
        assert torch.allclose(distance, torch.tensor(2.0 if asked[1] < 0.1 else 3.0), atol=1e-3)


def test_steps_are_reproducible_and_ranks_share_them(root):
    made = source(root)
    torch.testing.assert_close(made.batch(3, 0, 1).colours, made.batch(3, 0, 1).colours)
    parts = torch.cat([made.batch(3, rank, 3).images for rank in range(3)])
    torch.testing.assert_close(parts, made.batch(3, 0, 1).images)


def test_small_white_patches_within_the_object_belong_to_it():
    image = np.ones((20, 20, 3), np.float32)
    image[2:18, 2:18] = 0.4
    image[5:8, 5:8] = 1.0
    image[10:16, 10:16] = 1.0
    mask = outline(image)
    assert mask[6, 6] == 1
    assert mask[12, 12] == 0
    assert mask[0, 0] == 0
    assert mask[3, 3] == 1


def test_one_picture_is_too_few(root):
    (root / "things" / "model1" / "img_choy2016" / "001.png").unlink()
    with pytest.raises(InputError, match="has 1 pictures"):
        source(root).batch(0, 0, 1)
