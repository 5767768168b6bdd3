"""Cameras as the official NeRF has them: OpenGL axes, no half pixel, forward-facing scenes in a warped space.

Poses are world from camera, `[R | t]`, x right, y up, z backwards; of LLFF with a fifth column (height,
width, focal length). Ours, with pixel centres at +0.5, are read in `data/`; these are what the official
weights and numbers were made with.
"""

import numpy as np
from jaxtyping import Float


def pose_spherical(azimuth: float, elevation: float, radius: float) -> Float[np.ndarray, "4 4"]:
    """A camera that looks at the origin of a world whose +z is up; degrees, negative elevations above."""
    phi, theta = np.radians(elevation), np.radians(azimuth)
    away = np.eye(4)
    away[2, 3] = radius
    tilt, turn = np.eye(4), np.eye(4)
    tilt[1:3, 1:3] = [[np.cos(phi), -np.sin(phi)], [np.sin(phi), np.cos(phi)]]
    turn[0, [0, 2]] = [np.cos(theta), -np.sin(theta)]
    turn[2, [0, 2]] = [np.sin(theta), np.cos(theta)]
    upright = np.array([[-1.0, 0, 0, 0], [0, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
    return upright @ turn @ tilt @ away


def official_rays(
    height: int, width: int, focal: float, pose: Float[np.ndarray, "_r 4"]
) -> tuple[Float[np.ndarray, "h w 3"], Float[np.ndarray, "h w 3"]]:
    """Origins and directions, of depth 1 along the axis, through the corners (column, row) of the pixels."""
    column, row = np.meshgrid(np.arange(width), np.arange(height), indexing="xy")
    flat = [(column - 0.5 * width) / focal, -(row - 0.5 * height) / focal, -np.ones((height, width))]
    directions = np.stack(flat, -1) @ pose[:3, :3].T
    return np.broadcast_to(pose[:3, 3], directions.shape).copy(), directions


def ndc_rays(
    height: int,
    width: int,
    focal: float,
    near: float,
    origins: Float[np.ndarray, "*r 3"],
    directions: Float[np.ndarray, "*r 3"],
) -> tuple[Float[np.ndarray, "*r 3"], Float[np.ndarray, "*r 3"]]:
    """The rays in normalised device coordinates, where t = 1 is at infinity (appendix C of the paper)."""
    start = origins - ((near + origins[..., 2:]) / directions[..., 2:]) * directions
    x, y, z = np.moveaxis(start, -1, 0)
    dx, dy, dz = np.moveaxis(directions, -1, 0)
    across, down = -2 * focal / width, -2 * focal / height
    o = [across * x / z, down * y / z, 1 + 2 * near / z]
    d = [across * (dx / dz - x / z), down * (dy / dz - y / z), -2 * near / z]
    return np.stack(o, -1), np.stack(d, -1)


def recentered(poses: Float[np.ndarray, "n 3 5"]) -> Float[np.ndarray, "n 3 5"]:
    """The poses seen from their average camera."""
    back = np.linalg.inv(_whole(_average(poses)))
    return np.concatenate([(back @ _whole(poses[:, :, :4]))[:, :3], poses[:, :, 4:]], -1)


def spherified(
    poses: Float[np.ndarray, "n 3 5"], bounds: Float[np.ndarray, "n 2"]
) -> tuple[Float[np.ndarray, "n 3 5"], Float[np.ndarray, "n 2"]]:
    """Poses around the point nearest to all axes, upright, 1 away in the root mean square; and bounds."""
    axes, centres = poses[:, :, 2], poses[:, :, 3]
    across = np.eye(3) - axes[:, :, None] * axes[:, None]
    middle = np.linalg.solve(across.mean(0), (across @ centres[:, :, None])[:, :, 0].mean(0))
    up = _unit((centres - middle).mean(0))
    right = _unit(np.cross([0.1, 0.2, 0.3], up))
    frame = np.stack([right, _unit(np.cross(up, right)), up, middle], 1)
    turned = (np.linalg.inv(_whole(frame)) @ _whole(poses[:, :, :4]))[:, :3]
    scale = 1 / np.sqrt((turned[:, :, 3] ** 2).sum(-1).mean())
    turned[:, :, 3] *= scale
    return np.concatenate([turned, poses[:, :, 4:]], -1), bounds * scale


def _average(poses: Float[np.ndarray, "n 3 5"]) -> Float[np.ndarray, "3 4"]:
    """Mean centre, mean direction, upright as the mean of the upright axes."""
    z = _unit(poses[:, :, 2].sum(0))
    x = _unit(np.cross(poses[:, :, 1].sum(0), z))
    return np.stack([x, np.cross(z, x), z, poses[:, :, 3].mean(0)], 1)


def _whole(poses: Float[np.ndarray, "*n 3 4"]) -> Float[np.ndarray, "*n 4 4"]:
    row = np.broadcast_to(np.array([0.0, 0.0, 0.0, 1.0]), (*poses.shape[:-2], 1, 4))
    return np.concatenate([poses, row], -2)


def _unit(vector: Float[np.ndarray, "3"]) -> Float[np.ndarray, "3"]:
    return vector / np.linalg.norm(vector)
