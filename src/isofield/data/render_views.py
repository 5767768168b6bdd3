"""Pictures of painted triangles by ray casting: soft light, white background, smooth edges."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int, UInt8

from isofield.data.glb import linear_from_srgb, srgb_from_linear
from isofield.data.painted import Painted
from isofield.data.texels import Texels
from isofield.geometry.camera import Camera, pixel_centres

LAYERS = 4
"""Surfaces behind each other that are looked through; the last one counts as opaque."""
STEP = 1e-4
"""How far beyond a surface the search for the next one starts; the object's longest edge is 1."""


@dataclass(frozen=True)
class Light:
    """A lamp, the sky and the ground, all white; a surface that gets 1 shows its own colour."""

    towards: Float[np.ndarray, "3"]
    """Unit direction to the lamp."""
    lamp: float = 0.55
    sky: float = 0.4
    ground: float = 0.2

    def on(self, normals: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, " n"]:
        """Light that arrives, by the cosine law, on surfaces that look along the normals."""
        up = 0.5 + 0.5 * normals[:, 1]
        direct = np.maximum(normals @ self.towards.astype(normals.dtype), 0)
        return self.ground + (self.sky - self.ground) * up + self.lamp * direct


@dataclass(frozen=True)
class Hits:
    """What some of the rays met."""

    ray: Int[np.ndarray, " n"]
    face: Int[np.ndarray, " n"]
    shares: Float[np.ndarray, "n 3"]
    """Barycentric coordinates."""
    distance: Float[np.ndarray, " n"]


class Studio:
    """One object, ready to be looked at from many sides.

    Args:
        painted: In the unit box.
        samples: Rays per pixel, squared, against jagged edges.
    """

    def __init__(self, painted: Painted, samples: int = 2) -> None:
        from embreex import rtcore_scene
        from embreex.mesh_construction import TriangleMesh

        self._samples = samples
        self._painted = painted
        self._texels = Texels(painted)
        self._colours = linear_from_srgb(painted.colours.reshape(-1, 3)).reshape(-1, 3, 3).astype(np.float32)
        self._normals = painted.normals.astype(np.float32)
        self._textured = painted.texture >= 0
        self._vertices = np.unique(painted.corners.reshape(-1, 3), axis=0)
        edges = painted.corners[:, 1:] - painted.corners[:, :1]
        self._across = np.cross(edges[:, 0], edges[:, 1]).astype(np.float32)
        self._scene: Any = rtcore_scene.EmbreeScene()
        TriangleMesh(self._scene, painted.corners.astype(np.float32))

    def picture(self, camera: Camera, size: int, light: Light) -> UInt8[np.ndarray, "_h _w 3"]:
        """The object on white, square. Pixels outside the box of its projection cost nothing."""
        image, opacity = self.exposure(camera, size, light)
        return np.round((image + (1 - opacity[..., None])) * 255).astype(np.uint8)

    def exposure(
        self, camera: Camera, size: int, light: Light
    ) -> tuple[Float[np.ndarray, "_h _w 3"], Float[np.ndarray, "_h _w"]]:
        """Colours times opacity, sRGB, and the opacity: how much of each pixel the object covers."""
        fine = size * self._samples
        image = np.zeros((fine * fine, 4), np.float32)
        rows, columns = self._asked(camera, size)
        pixels = np.stack([columns + 0.5, rows + 0.5], axis=1) / self._samples
        colour, through = self._seen(camera, pixels, light)
        image[rows * fine + columns] = np.concatenate([colour, 1 - through[:, None]], axis=1)
        image = _averaged(image.reshape(fine, fine, 4), self._samples)
        return image[..., :3], image[..., 3]

    def depths(self, camera: Camera, size: int) -> Float[np.ndarray, "_h _w"]:
        """Along the axis to the first surface behind each pixel's middle; zero where there is none."""
        towards = camera.directions(pixel_centres(size, size)).astype(np.float32)
        origins = np.tile(camera.centre.astype(np.float32), (len(towards), 1))
        hits = self._hits(np.arange(len(towards)), origins, towards)
        depth = np.zeros(len(towards), np.float32)
        depth[hits.ray] = hits.distance * (towards[hits.ray] @ camera.forward.astype(np.float32))
        return depth.reshape(size, size)

    def _asked(self, camera: Camera, size: int) -> tuple[np.ndarray, np.ndarray]:
        """Rows and columns of the samples that may see the object."""
        flat, _ = camera.project(self._vertices)
        low = np.floor(np.clip(flat.min(axis=0) - 1, 0, size) * self._samples).astype(np.int64)
        high = np.ceil(np.clip(flat.max(axis=0) + 1, 0, size) * self._samples).astype(np.int64)
        rows, columns = np.meshgrid(np.arange(low[1], high[1]), np.arange(low[0], high[0]), indexing="ij")
        return rows.ravel(), columns.ravel()

    def _seen(
        self, camera: Camera, pixels: Float[np.ndarray, "n 2"], light: Light
    ) -> tuple[Float[np.ndarray, "n 3"], Float[np.ndarray, " n"]]:
        """Colours along the rays, sRGB, and what comes through from beyond the object.

        What lies behind glass and holes in textures shines through.
        """
        towards = camera.directions(pixels).astype(np.float32)
        origins = np.tile(camera.centre.astype(np.float32), (len(towards), 1))
        # what one sample covers at the object's distance, which chooses how fine textures are looked at
        sample = float(np.linalg.norm(camera.centre) / camera.pixel_from_camera[0, 0] / self._samples)
        result = np.zeros((len(towards), 3), np.float32)
        through = np.ones(len(towards), np.float32)
        active = np.arange(len(towards))
        for layer in range(LAYERS):
            hits = self._hits(active, origins, towards)
            colour, opacity = self._paint(hits, sample)
            opacity = np.ones_like(opacity) if layer == LAYERS - 1 else opacity
            shown = srgb_from_linear(colour * light.on(self._facing(hits, towards))[:, None])
            result[hits.ray] += (through[hits.ray] * opacity)[:, None] * shown
            through[hits.ray] *= 1 - opacity
            going = through[hits.ray] > 0.01
            active = hits.ray[going]
            if not len(active):
                break
            origins[active] += (hits.distance[going] + STEP)[:, None] * towards[active]
        return result, through

    def _hits(self, active: np.ndarray, origins: np.ndarray, towards: np.ndarray) -> Hits:
        met = self._scene.run(origins[active], towards[active], output=1)
        found = met["primID"] >= 0
        u, v = met["u"][found], met["v"][found]
        return Hits(active[found], met["primID"][found], np.stack([1 - u - v, u, v], 1), met["tfar"][found])

    def _paint(self, hits: Hits, sample: float) -> tuple[Float[np.ndarray, "n 3"], Float[np.ndarray, " n"]]:
        """Linear colour and opacity."""
        colour = np.einsum("nk,nkc->nc", hits.shares, self._colours[hits.face])
        opacity = self._painted.opacity[hits.face].astype(np.float32)
        covered = np.flatnonzero(self._textured[hits.face])
        if len(covered):
            texels = self._texels.at(hits.face[covered], hits.shares[covered], sample)
            colour[covered] = texels[:, :3]
            opacity[covered] *= texels[:, 3]
        return colour, opacity

    def _facing(self, hits: Hits, towards: np.ndarray) -> Float[np.ndarray, "n 3"]:
        """Unit normals on the side that is looked at, whichever way the face is turned."""
        normals = np.einsum("nk,nkc->nc", hits.shares, self._normals[hits.face])
        normals /= np.maximum(np.sqrt(np.einsum("nc,nc->n", normals, normals)), 1e-12)[:, None]
        away = np.einsum("nc,nc->n", self._across[hits.face], towards[hits.ray]) > 0
        return np.where(away[:, None], -normals, normals)


def _averaged(image: Float[np.ndarray, "h w c"], times: int) -> Float[np.ndarray, "_h _w c"]:
    """Means of squares of pixels; slices add up much faster than a mean over inner axes."""
    parts = [image[row::times, column::times] for row in range(times) for column in range(times)]
    return sum(parts[1:], start=parts[0]) / times**2
