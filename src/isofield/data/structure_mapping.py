"""Features of pictures -> cameras and points: COLMAP's matching and incremental mapping, step by step."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int

ALL = 60
"""Up to so many pictures, every pair is compared."""
BESIDE = 8
"""Of more pictures, each is compared with so many after it by name, as in a walk or a film ..."""
ALIKE = 16
"""... and with so many that look most alike by their largest features."""
LARGEST = 100
"""Features per picture that likeness is judged by (Wu, Towards linear-time incremental SfM, 2013)."""
SIMILAR = 0.8
"""Cosine between two descriptors, above which they may show the same place."""
LEAST = 3
"""Pictures of a model, where there are so many: two alone are soon placed wrongly."""
BATCH = 16
"""Pairs compared between two signs of life."""


@contextmanager
def silent() -> Iterator[Any]:
    """pycolmap, writing nothing to the terminal but fatal errors."""
    import pycolmap

    before = pycolmap.logging.minloglevel
    pycolmap.logging.minloglevel = pycolmap.logging.Level.FATAL.value
    try:
        yield pycolmap
    finally:
        pycolmap.logging.minloglevel = before


def pairs_of(database: Any) -> list[tuple[int, int]]:
    """Numbers of the pictures to compare, smaller first: all pairs, or of many those that promise."""
    numbers = [image.image_id for image in database.read_all_images()]
    count = len(numbers)
    if count <= ALL:
        chosen = {(i, j) for j in range(count) for i in range(j)}
    else:
        chosen = {(i, j) for i in range(count) for j in range(i + 1, min(i + 1 + BESIDE, count))}
        alike = _alike(database, numbers)
        best = np.argsort(-alike, axis=1, kind="stable")[:, :ALIKE]
        chosen |= {(min(i, j), max(i, j)) for i in range(count) for j in best[i].tolist() if alike[i, j] > 0}
    return [(numbers[i], numbers[j]) for i, j in sorted(chosen)]


def _alike(database: Any, numbers: list[int]) -> Int[np.ndarray, "n n"]:
    """How many of the largest features of one picture have a likely partner in another; -1 with itself."""
    largest = []
    for number in numbers:
        scale = database.read_keypoints(number)[:, 2]
        found = database.read_descriptors(number).data[np.argsort(-scale, kind="stable")[:LARGEST]]
        found = (
            found.astype(np.float32)
            / np.maximum(np.linalg.norm(found.astype(np.float32), axis=1), 1)[:, None]
        )
        largest.append(np.concatenate([found, np.zeros((LARGEST - len(found), 128), np.float32)]))
    every = np.stack(largest)
    near = np.stack(
        [(every.reshape(-1, 128) @ one.T).reshape(len(every), LARGEST, -1).max(1) for one in every]
    )
    alike = (near > SIMILAR).sum(axis=2)
    np.fill_diagonal(alike, -1)
    return alike


def match(database_path: Path, advance: Callable[[float], None], seed: int, threads: int) -> int:
    """Compares pictures, a few pairs at a time; pairs that have been compared before are not again.

    Returns:
        How many pairs show the same place.
    """
    with silent() as pycolmap:
        options = pycolmap.FeatureMatchingOptions()
        options.num_threads, options.use_gpu = threads, False
        verification = pycolmap.TwoViewGeometryOptions()
        verification.ransac.random_seed = seed
        with pycolmap.Database.open(database_path) as database:
            pairs = pairs_of(database)
            names = {image.image_id: image.name for image in database.read_all_images()}
            left = [pair for pair in pairs if not database.exists_two_view_geometry(*pair)]
        listing = database_path.with_name("pairs.txt")
        for start in range(0, len(left), BATCH):
            advance((len(pairs) - len(left) + start) / len(pairs))
            lines = [f"{names[i]} {names[j]}\n" for i, j in left[start : start + BATCH]]
            listing.write_text("".join(lines), encoding="utf-8")
            pycolmap.match_image_pairs(
                database_path, options, pycolmap.ImportedPairingOptions(match_list_path=listing),
                verification, pycolmap.Device.cpu,
            )  # fmt: skip
        with pycolmap.Database.open(database_path) as database:
            return sum(count > 0 for count in database.read_two_view_geometry_num_inliers()[1])


def map_pictures(
    database_path: Path, output: Path, count: int, advance: Callable[[int], None], seed: int
) -> dict[int, Any]:
    """Models that COLMAP could build, each from pictures that hang together; written to `output`, too.

    One thread, since sums in another order change the last digits, and with them which points stay.
    """
    with silent() as pycolmap:
        options = pycolmap.IncrementalPipelineOptions()
        options.num_threads, options.random_seed = 1, seed
        options.mapper.random_seed = options.triangulation.random_seed = seed
        options.extract_colors = False
        options.min_model_size = min(LEAST, count)
        placed = 0

        def place(more: int) -> None:
            nonlocal placed
            placed += more
            advance(placed)

        output.mkdir(parents=True, exist_ok=True)
        pycolmap.set_random_seed(seed)
        return dict(pycolmap.incremental_mapping(
            database_path, output, output, options,
            initial_image_pair_callback=lambda: place(2),
                next_image_callback=lambda: place(1),
        ))  # fmt: skip
