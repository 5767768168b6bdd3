"""A mesh cut into charts that lie flat in a square."""

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
from jaxtyping import Float

from isofield.geometry import Mesh

PADDING = 5
"""Texels between charts, so that neither bilinear sampling nor the first mipmaps mix them."""
PROGRAM = Path(__file__).with_name("atlas.py")


class NotUnwrappedError(RuntimeError):
    """Why there are no charts, in words that end a sentence."""


def unwrap(mesh: Mesh, size: int, seconds: float = 120.0) -> Float[np.ndarray, "f 3 2"]:
    """Place of each face's corners in a square picture of `size` texels, in [0, 1] across and down.

    Charts do not overlap and are padded; faces without area may lie in a corner. About 10 s for
    30,000 faces, growing faster than they do: simplify larger meshes first.

    Raises:
        NotUnwrappedError: xatlas has failed, or needs more than `seconds`.
    """
    texels, (width, height, atlases) = _charts(mesh, size, seconds)
    if atlases != 1 or not np.isfinite(texels).all():
        raise NotUnwrappedError("its faces have no area")
    # The atlas is only about as large as it was asked to be, and seldom square. A texel of margin
    # keeps its outermost charts apart where a viewer repeats the picture.
    return (np.clip(texels.astype(np.float64), 0, (width, height)) + 1) / (max(width, height) + 2)


def _charts(mesh: Mesh, size: int, seconds: float) -> tuple[Float[np.ndarray, "f 3 2"], list[int]]:
    """Texels of the corners; width, height and number of the atlases."""
    try:
        done = subprocess.run(
            [sys.executable, "-P", str(PROGRAM)],
            input=_packed(mesh, size),
            capture_output=True,
            timeout=seconds,
            check=True,
        )
        answer = io.BytesIO(done.stdout)
        return np.load(answer), np.load(answer).tolist()
    except subprocess.TimeoutExpired as error:
        raise NotUnwrappedError(f"xatlas did not finish within {seconds:g} s") from error
    except subprocess.CalledProcessError as error:
        lines = error.stderr.decode(errors="replace").strip().splitlines() or [""]
        raise NotUnwrappedError(f"xatlas ended with code {error.returncode} {lines[-1]}".strip()) from error
    except (ValueError, EOFError) as error:
        raise NotUnwrappedError("xatlas gave no charts") from error


def _packed(mesh: Mesh, size: int) -> bytes:
    """The arrays that the program reads.

    xatlas takes areas below 1e-7 for none, so edges are brought to a length of about one.
    """
    centre = (mesh.vertices.min(axis=0) + mesh.vertices.max(axis=0)) / 2
    edge = np.sqrt(mesh.face_areas().mean()) or 1.0
    file = io.BytesIO()
    np.save(file, ((mesh.vertices - centre) / edge).astype(np.float32))
    np.save(file, mesh.faces.astype(np.uint32))
    np.save(file, np.array([size, PADDING]))
    return file.getvalue()
