"""Pictures of meshes and clouds without a display: rays traced by Embree, sun, sky and a white floor.

For documentation and previews. Light is summed in linear colours and written as sRGB.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int

from isofield.data import atomic_write
from isofield.data.glb import linear_from_srgb, srgb_from_linear
from isofield.errors import InputError
from isofield.geometry import Box, Mesh
from isofield.observation import PointCloud
from isofield.report.thin import unit

CLAY = np.array([0.83, 0.79, 0.73])
"""sRGB of a mesh without colours."""
INK = np.array([0.36, 0.50, 0.63])
"""sRGB of points without colours."""
INSIDE = np.array([0.70, 0.26, 0.22])
"""sRGB of the inner side of a surface."""


@dataclass(frozen=True)
class Look:
    """From where and how a picture is taken."""

    width: int = 960
    height: int = 720
    turn: float = 35.0
    """Degrees around the vertical axis, from the front (+z for y up, -y for z up)."""
    tilt: float = 18.0
    """Degrees above the horizon."""
    up: Literal["x", "y", "z"] = "y"
    field_of_view: float = 26.0
    """Degrees of the smaller edge of the picture."""
    samples: int = 3
    """Rays per pixel edge."""
    sky_rays: int = 6
    """Rays into the sky for each of them."""
    floor: bool = True
    frame: Box | None = field(default=None)
    """What to fit into the picture; the whole mesh if None. Give the same to compare pictures."""


def draw_mesh(mesh: Mesh, look: Look | None = None) -> Float[np.ndarray, "h w 3"]:
    """The mesh as an sRGB picture in [0, 1], on white.

    Raises:
        InputError: Embree is not there (it is installed on x86-64 only).
    """
    look = look or Look()
    studio = Studio(mesh, look)
    draw = np.random.default_rng(0)
    total = np.zeros((look.height * look.width, 3))
    for sub in range(look.samples**2):
        offset = (np.array(divmod(sub, look.samples)) + draw.random(2)) / look.samples
        total += studio.shoot(studio.pixel_rays(offset), draw)
    picture = srgb_from_linear(np.clip(total / look.samples**2, 0, 1))
    return picture.reshape(look.height, look.width, 3)


def draw_points(
    cloud: PointCloud, look: Look | None = None, radius: float | None = None
) -> Float[np.ndarray, "h w 3"]:
    """The points as small beads; `radius` in the units of the cloud, from their spacing if None."""
    from dataclasses import replace

    from scipy.spatial import cKDTree

    look = look or Look()
    if radius is None:
        some = cloud.points[:: max(1, len(cloud) // 5000)]
        radius = 0.8 * float(np.median(cKDTree(cloud.points).query(some, k=2)[0][:, 1]))
    frame = look.frame or Box.around(cloud.points)
    return draw_mesh(beads(cloud, radius), replace(look, frame=frame))


def write_picture(path: Path, picture: Float[np.ndarray, "h w 3"]) -> None:
    """Writes a PNG.

    Raises:
        InputError: The file cannot be written.
    """
    from PIL import Image

    with atomic_write(path) as temporary:
        Image.fromarray(np.rint(picture * 255).astype(np.uint8)).save(temporary, format="PNG", optimize=True)


def beads(cloud: PointCloud, radius: float) -> Mesh:
    """One small ball (icosahedron with round shading) per point."""
    golden = (1 + 5**0.5) / 2
    corners = np.array([[s, t * golden, 0] for s in (-1, 1) for t in (-1, 1)], dtype=float)
    ball = unit(np.concatenate([np.roll(corners, k, axis=1) for k in range(3)]))  # (12 3)
    faces = _hull(ball)
    n = len(cloud)
    colours = np.tile(INK, (n, 1)) if cloud.colours is None else cloud.colours
    return Mesh(
        (cloud.points[:, None] + radius * ball).reshape(-1, 3),
        (np.arange(n)[:, None, None] * len(ball) + faces).reshape(-1, 3).astype(np.int64),
        np.tile(ball, (n, 1)),
        np.repeat(colours, len(ball), axis=0),
    )


def _hull(corners: Float[np.ndarray, "n 3"]) -> Int[np.ndarray, "f 3"]:
    from scipy.spatial import ConvexHull

    faces = ConvexHull(corners).simplices
    a, b, c = corners[faces].transpose(1, 0, 2)
    inward = (np.cross(b - a, c - a) * a).sum(axis=1) < 0
    faces[inward] = faces[inward][:, ::-1]
    return faces.astype(np.int64)


class Studio:
    """A mesh on a white floor, a camera and a sun, in a frame where y is up and sizes are about one."""

    def __init__(self, mesh: Mesh, look: Look) -> None:
        try:
            from embreex import rtcore_scene
            from embreex.mesh_construction import TriangleMesh
        except ImportError as error:
            raise InputError("pictures need the package embreex, which exists for x86-64 only") from error
        self.look = look
        turned = _y_up(look.up)
        normals = mesh.normals if mesh.normals is not None else mesh.vertex_normals()
        colours = mesh.colours if mesh.colours is not None else np.tile(CLAY, (len(mesh.vertices), 1))
        frame = look.frame or Box.around(mesh.vertices)
        centre, size = turned @ frame.centre, float(np.linalg.norm(frame.extent)) or 1.0
        self.vertices = (mesh.vertices @ turned.T - centre) / size
        self.normals = normals @ turned.T
        self.colours = linear_from_srgb(colours)
        self.faces = mesh.faces
        self.floor = float(self.vertices[:, 1].min())
        self._scene = rtcore_scene.EmbreeScene()
        TriangleMesh(self._scene, self.vertices[mesh.faces].astype(np.float32))
        if look.frame is None:
            self._place_camera(self.vertices)
        else:
            self._place_camera((_corners(look.frame) @ turned.T - centre) / size)

    def _place_camera(self, vertices: Float[np.ndarray, "v 3"]) -> None:
        turn, tilt = np.radians([self.look.turn, self.look.tilt])
        back = np.array([np.sin(turn) * np.cos(tilt), np.sin(tilt), np.cos(turn) * np.cos(tilt)])
        right = unit(np.cross([0, 1, 0], back)[None])[0]
        self.axes = np.stack([right, np.cross(back, right), back])  # camera's x, y, z as rows
        slope = np.tan(np.radians(self.look.field_of_view) / 2)
        short = min(self.look.width, self.look.height)
        self.slopes = slope * np.array([self.look.width, self.look.height]) / short
        across = np.abs(vertices @ self.axes.T)
        # Far enough for every vertex to be inside both pairs of sides, with a margin.
        near = (across[:, :2] / (0.90 * self.slopes)).max(axis=1) + vertices @ back
        self.eye = back * float(near.max())
        self.sun = unit((self.axes.T @ [-0.55, 0.75, 0.55])[None])[0]

    def pixel_rays(self, offset: Float[np.ndarray, "2"]) -> Float[np.ndarray, "n 3"]:
        """Unit directions through all pixels, row by row from the top."""
        width, height = self.look.width, self.look.height
        x = (2 * (np.arange(width) + offset[0]) / width - 1) * self.slopes[0]
        y = (1 - 2 * (np.arange(height) + offset[1]) / height) * self.slopes[1]
        grid = np.stack([*np.meshgrid(x, y), -np.ones((height, width))], axis=-1)
        return unit(grid.reshape(-1, 3) @ self.axes)

    def shoot(self, rays: Float[np.ndarray, "n 3"], draw: np.random.Generator) -> Float[np.ndarray, "n 3"]:
        """Linear colours that the rays bring back."""
        colour = np.ones((len(rays), 3))
        eye = np.broadcast_to(self.eye, rays.shape)
        hit = self._scene.run(eye.astype(np.float32), rays.astype(np.float32), output=True)
        on = hit["primID"] >= 0
        if on.any():
            colour[on] = self._surface(rays[on], hit["primID"][on], hit["u"][on], hit["v"][on], draw)
        if self.look.floor:
            below = ~on & (rays[:, 1] < -1e-3)
            colour[below] = self._on_floor(rays[below], draw)
        return colour

    def _surface(
        self,
        rays: Float[np.ndarray, "n 3"],
        face: Int[np.ndarray, " n"],
        u: Float[np.ndarray, " n"],
        v: Float[np.ndarray, " n"],
        draw: np.random.Generator,
    ) -> Float[np.ndarray, "n 3"]:
        weights = np.stack([1 - u - v, u, v], axis=1)[..., None]
        corner = self.faces[face]
        point = (self.vertices[corner] * weights).sum(axis=1)
        normal = unit((self.normals[corner] * weights).sum(axis=1))
        base = (self.colours[corner] * weights).sum(axis=1)
        a, b, c = self.vertices[corner].transpose(1, 0, 2)
        flat = unit(np.cross(b - a, c - a))
        behind = (flat * rays).sum(axis=1) > 0
        base[behind] = 0.25 * base[behind] + 0.75 * linear_from_srgb(INSIDE[None])[0]
        normal[behind] *= -1
        flat[behind] *= -1
        start = point + 1e-4 * flat
        sun = np.maximum(normal @ self.sun, 0) * self._sees_sun(start, draw)
        sky = self._sees_sky(start, normal, draw)
        half = unit(self.sun - rays)
        shine = 0.06 * np.maximum((normal * half).sum(axis=1), 0) ** 40 * (sun > 0)
        return base * (0.98 * sun + 0.5 * sky)[:, None] + shine[:, None]

    def _on_floor(
        self, rays: Float[np.ndarray, "n 3"], draw: np.random.Generator
    ) -> Float[np.ndarray, "n 3"]:
        """White paper that darkens under the object and fades out around it."""
        point = self.eye + rays * ((self.floor - self.eye[1]) / rays[:, 1])[:, None]
        away = np.linalg.norm(point[:, [0, 2]], axis=1)
        near = away < 1.6
        light = np.ones(len(rays))
        start = point[near] + [0, 1e-4, 0]
        normal = np.tile([0.0, 1.0, 0.0], (len(start), 1))
        seen = 0.45 * self._sees_sun(start, draw) + 0.55 * self._sees_sky(start, normal, draw)
        fade = np.clip((away[near] - 0.7) / 0.9, 0, 1)
        light[near] = 1 - (1 - seen) * 0.85 * (1 - fade) ** 2
        return np.repeat(light[:, None], 3, axis=1)

    def _sees_sun(
        self, start: Float[np.ndarray, "n 3"], draw: np.random.Generator
    ) -> Float[np.ndarray, " n"]:
        """1 where a ray to a random spot of a wide sun is free."""
        spots = unit(self.sun + 0.09 * draw.normal(size=start.shape))
        return self._free(start, spots).astype(np.float64)

    def _sees_sky(
        self, start: Float[np.ndarray, "n 3"], normal: Float[np.ndarray, "n 3"], draw: np.random.Generator
    ) -> Float[np.ndarray, " n"]:
        """Share of sky seen, weighted by the cosine; the floor sends back half of what it would block."""
        seen = np.zeros(len(start))
        for _ in range(self.look.sky_rays):
            way = unit(normal + unit(draw.normal(size=start.shape)) * 0.999)
            seen += self._free(start, way) * np.where(
                way[:, 1] < 0, 0.62 + 0.1 * way[:, 1], 0.85 + 0.3 * way[:, 1]
            )
        return seen / self.look.sky_rays

    def _free(self, start: Float[np.ndarray, "n 3"], way: Float[np.ndarray, "n 3"]) -> Bool[np.ndarray, " n"]:
        """Whether nothing of the mesh is in the way."""
        if not len(start):
            return np.zeros(0, dtype=bool)
        return self._scene.run(start.astype(np.float32), way.astype(np.float32)) < 0


def _corners(box: Box) -> Float[np.ndarray, "8 3"]:
    return np.stack(np.meshgrid(*zip(box.low, box.high, strict=True)), axis=-1).reshape(8, 3)


def _y_up(up: Literal["x", "y", "z"]) -> Float[np.ndarray, "3 3"]:
    """Rotation that turns the given axis upwards."""
    turns = {
        "x": [[0, -1, 0], [1, 0, 0], [0, 0, 1]],
        "y": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
        "z": [[1, 0, 0], [0, 0, 1], [0, -1, 0]],
    }
    return np.array(turns[up], dtype=float)
