"""Make `scan.ply` as a scanner would: rays from several stands, noise along each ray, colours.

    python examples/make_scan.py --fetch            # the recipe of the scan that ships
    python examples/make_scan.py MODEL.obj -o scan.ply

The model is the rocking horse `caballito` from Debian's package sweethome3d-furniture (BlendSwap
collection, CC0 1.0). `--fetch` needs Debian's apt-get and dpkg-deb; nothing is installed.
"""

import argparse
import subprocess
import tempfile
import zipfile
from pathlib import Path

import numpy as np

from isofield.data import write_points
from isofield.observation import PointCloud

PACKAGE = "sweethome3d-furniture"
ARCHIVE = "usr/share/sweethome3d/furniture/BlendSwap-CC-0.sh3f"
MODEL = "blendswap-cc-0/caballito/caballito.obj"
UNIT = 0.01
"""The furniture is modelled in centimetres, scans are in metres."""


def fetch(folder: Path) -> Path:
    """The model, unpacked from Debian's package into the folder."""
    subprocess.run(["apt-get", "download", PACKAGE], cwd=folder, check=True)
    (package,) = folder.glob(f"{PACKAGE}_*.deb")
    subprocess.run(["dpkg-deb", "-x", package.name, "."], cwd=folder, check=True)
    with zipfile.ZipFile(folder / ARCHIVE) as archive:
        inner = str(Path(MODEL).parent)
        archive.extractall(folder, [name for name in archive.namelist() if name.startswith(inner)])
    return folder / MODEL


def load(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Corners of all triangles `(f 3 3)` and their colours `(f 3 3)` in [0, 1]."""
    import trimesh

    loaded = trimesh.load_scene(path)
    corners, colours = [], []
    for part in loaded.geometry.values():
        material = getattr(part.visual, "material", None)
        if getattr(material, "image", None) is not None and part.visual.uv is not None:
            colour = part.visual.to_color().vertex_colors[:, :3]
        else:
            diffuse = getattr(material, "diffuse", None)
            colour = np.tile([200, 190, 180] if diffuse is None else diffuse[:3], (len(part.vertices), 1))
        corners.append(part.vertices[part.faces])
        colours.append(np.asarray(colour, dtype=float)[part.faces] / 255)
    return np.concatenate(corners).astype(float), np.concatenate(colours)


def stands(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Ten places of the scanner: two rings around the object, one at knee height, one above."""
    centre, reach = (low + high) / 2, np.linalg.norm(high - low)
    rings = []
    for count, turn, height, radius in ((6, 0.2, 0.10, 1.3), (4, 0.6, 0.95, 1.0)):
        angle = 2 * np.pi * (np.arange(count) + turn) / count
        ring = np.stack([np.sin(angle) * radius, np.full(count, height), np.cos(angle) * radius], axis=1)
        rings.append(centre + reach * ring)
    return np.concatenate(rings)


def look(
    corners: np.ndarray, colours: np.ndarray, stand: np.ndarray, step: float, noise: float, draw
) -> tuple:
    """Points and colours seen from one stand; grazing hits come back less often, as with real light."""
    from embreex import rtcore_scene
    from embreex.mesh_construction import TriangleMesh

    scene = rtcore_scene.EmbreeScene()
    TriangleMesh(scene, corners.astype(np.float32))
    to = corners.reshape(-1, 3) - stand
    azimuth, height = np.arctan2(to[:, 0], to[:, 2]), np.arctan2(to[:, 1], np.hypot(to[:, 0], to[:, 2]))
    middle = np.arctan2(*(to.mean(axis=0)[[0, 2]]))
    azimuth = (azimuth - middle + np.pi) % (2 * np.pi) - np.pi
    grid = np.meshgrid(
        np.arange(azimuth.min(), azimuth.max(), step) + middle, np.arange(height.min(), height.max(), step)
    )
    a, h = (g.ravel() + draw.normal(scale=0.2 * step, size=g.size) for g in grid)
    rays = np.stack([np.sin(a) * np.cos(h), np.sin(h), np.cos(a) * np.cos(h)], axis=1)
    hit = scene.run(np.tile(stand, (len(rays), 1)).astype(np.float32), rays.astype(np.float32), output=True)
    on = hit["primID"] >= 0
    rays, face, u, v = rays[on], hit["primID"][on], hit["u"][on], hit["v"][on]
    weights = np.stack([1 - u - v, u, v], axis=1)[..., None]
    point, colour = (corners[face] * weights).sum(axis=1), (colours[face] * weights).sum(axis=1)
    normal = np.cross(corners[face][:, 1] - corners[face][:, 0], corners[face][:, 2] - corners[face][:, 0])
    facing = np.abs((normal * rays).sum(axis=1)) / np.maximum(np.linalg.norm(normal, axis=1), 1e-30)
    kept = draw.random(len(rays)) < np.clip(3 * facing, 0.02, 1)
    # Depth is measured along the ray, and worse where the light grazes.
    depth = draw.normal(size=len(rays)) * noise * (1 + 0.5 / np.maximum(facing, 0.2))
    return (point + depth[:, None] * rays)[kept], colour[kept]


def scan(path: Path, points: int, noise: float, seed: int) -> PointCloud:
    """What the scanner saw: about `points` points, in metres; `noise` is a share of the longest edge."""
    draw = np.random.default_rng(seed)
    corners, colours = load(path)
    corners = corners * UNIT
    low, high = corners.min(axis=(0, 1)), corners.max(axis=(0, 1))
    size = float((high - low).max())
    seen = [look(corners, colours, stand, 0.0045, noise * size, draw) for stand in stands(low, high)]
    found, colour = (np.concatenate(parts) for parts in zip(*seen, strict=True))
    kept = np.sort(draw.choice(len(found), min(points, len(found)), replace=False))
    light = draw.normal(1, 0.03, size=(len(kept), 1))
    return PointCloud(found[kept], colours=np.clip(colour[kept] * light, 0, 1))


def main() -> None:
    """Reads the words, writes the scan."""
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words.add_argument("model", type=Path, nargs="?", help="mesh to scan, in centimetres, y up")
    words.add_argument("--fetch", action="store_true", help="take the model from Debian's package")
    words.add_argument("-o", "--output", type=Path, default=Path(__file__).with_name("scan.ply"))
    words.add_argument("--points", type=int, default=30_000)
    words.add_argument("--noise", type=float, default=0.001, help="share of the longest edge")
    words.add_argument("--seed", type=int, default=1)
    args = words.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        model = fetch(Path(folder)) if args.fetch or args.model is None else args.model
        cloud = scan(model, args.points, args.noise, args.seed)
    write_points(args.output, cloud)
    print(f"{len(cloud):,} points in {args.output}")


if __name__ == "__main__":
    main()
