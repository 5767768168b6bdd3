"""DVR and IDR on the pictures of one object with masks, beside the visual hull of the same masks.

    python benchmarks/multiview.py PHOTOS --truth PHOTOS/mesh.ply --method idr

PHOTOS is a folder of pictures with transforms.json and masks; the truth is in the frame of its cameras.
Methods: `hull` carves a grid of 128^3 cells, `dvr` and `idr` learn from the pictures, `noisy` is idr after
every camera was turned about its centre by --degrees around a random axis. Cameras are compared after one
rotation, and for their centres one similarity, of all of them. Chamfer-L1 in units of the truth's longest
side. Each result is added to benchmarks/results/multiview.json.
"""

import argparse
import json
import time
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch

from isofield.cli.run_record import versions
from isofield.data import read_mesh, write_mesh
from isofield.data.photos import read_views
from isofield.data.view_frame import frame_of
from isofield.data.visual_hull import Outline, misses
from isofield.extract import extract_mesh
from isofield.geometry.camera import Camera
from isofield.geometry.mesh import Mesh
from isofield.metrics import Truth, measure
from isofield.observation import Views

RESULTS = Path(__file__).parent / "results" / "multiview.json"
KEPT = ("chamfer_l1", "normal_consistency", "iou", "is_closed", "watertight", "components")


def turned(views: Views, degrees: float, seed: int = 0) -> Views:
    """The views with every camera turned about its centre by an angle around a random axis."""
    draw = np.random.default_rng(seed)
    cameras = []
    for camera in views.cameras:
        axis = draw.standard_normal(3)
        axis *= np.radians(degrees) / np.linalg.norm(axis)
        wrong = camera.camera_from_world[:, :3] @ rotation(axis).T
        matrix = np.concatenate([wrong, -(wrong @ camera.centre)[:, None]], axis=1)
        cameras.append(Camera(camera.pixel_from_camera, matrix))
    return replace(views, cameras=cameras)


def rotation(vector: np.ndarray) -> np.ndarray:
    from scipy.spatial.transform import Rotation

    return Rotation.from_rotvec(vector).as_matrix()


def compared(found: list[np.ndarray], true: list[np.ndarray]) -> dict[str, float]:
    """Degrees between rotations world <- camera after the one rotation that suits all best."""
    left, _, right = np.linalg.svd(sum(t @ f.T for f, t in zip(found, true, strict=True)))
    all_of_them = left @ np.diag([1, 1, np.linalg.det(left @ right)]) @ right
    turns = [np.trace(t.T @ all_of_them @ f) for f, t in zip(found, true, strict=True)]
    angles = np.degrees(np.arccos(np.clip((np.array(turns) - 1) / 2, -1, 1)))
    return {name: float(getattr(np, name)(angles)) for name in ("mean", "median", "max")}


def hull(views: Views, side: int = 128) -> Mesh:
    """Surface of the cells that no mask excludes, smoothed by the distances to the outlines."""
    frame = frame_of(views)
    moved = [camera.moved(frame.scene_from_world) for camera in views.cameras]
    outlines = [Outline.of(camera, mask) for camera, mask in zip(moved, views.masks or [], strict=True)]
    axis = (np.arange(side) + 0.5) / side * 1.1 - 0.55
    centres = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)
    kept = (misses(outlines, centres, 0.0, 0) == 0).reshape(side, side, side)
    from skimage.measure import marching_cubes

    vertices, faces, *_ = marching_cubes(np.pad(kept, 1).astype(np.float32), 0.5)
    mesh = Mesh((vertices - 0.5) / side * 1.1 - 0.55, faces[:, ::-1].astype(np.int64))
    return mesh.transformed(frame.world_from_scene)


def learned(views: Views, method: str, args: argparse.Namespace) -> tuple[Mesh, dict]:
    """Mesh in the world, and what else is to be told."""
    torch.manual_seed(args.seed)
    system = (dvr if method == "dvr" else idr)(views, method, args)
    unit = system.frame(views)
    began = time.monotonic()
    seen: dict[str, float] = {}

    def told(step: int, losses: dict[str, float]) -> None:
        for name, value in losses.items():
            seen[name] = 0.98 * seen.get(name, value) + 0.02 * value
        if step % 50 == 0:
            words = "  ".join(f"{name} {value:.4f}" for name, value in seen.items())
            extra = f"  cameras {angles(system, views, unit, args)}" if method == "noisy" else ""
            print(f"{step:6} {time.monotonic() - began:6.0f} s  {words}{extra}", flush=True)

    system.fit(views, unit, told)
    seconds = time.monotonic() - began
    scene = system.scene(unit)
    mesh = extract_mesh(
        scene.inside, scene.box, resolution=args.resolution, colour=scene.colour, keep="largest"
    )
    told_too = {"seconds": seconds, "config": asdict(system.config), "losses": seen}
    if method == "noisy":
        told_too["cameras_degrees"] = angles(system, views, unit, args)
    return mesh.transformed(scene.world_from_scene), told_too


def idr(views: Views, method: str, args: argparse.Namespace) -> torch.nn.Module:
    from isofield.systems.idr import IDR, IDRConfig

    count = sum(not out for out in views.held_out or [False] * len(views))
    config = IDRConfig(
        width=args.width, layers=args.layers, skip=args.layers // 2, light_layers=2, features=32,
        octaves=args.octaves, samples=32, on_object=0.5, rays=args.rays, rate=args.rate, steps=args.steps,
        cameras=count if method == "noisy" else 0, camera_rate=args.camera_rate,
        shift_rate=args.shift_rate, align_every=args.align_every, seed=args.seed,
        milestones=(0.5, 0.65, 0.8, 0.9) if method == "noisy" else (0.5, 0.75),
    )  # fmt: skip
    return IDR(config)


def dvr(views: Views, method: str, args: argparse.Namespace) -> torch.nn.Module:
    from isofield.systems.dvr import DVR, DVRConfig

    config = DVRConfig(
        sees="views", code_size=0, width=args.width, rays=args.rays, rate=args.rate,
        steps=args.steps, seed=args.seed, on_object=0.5,
        march_at=tuple(round(share * args.steps) for share in (0.1, 0.3, 0.6)),
    )  # fmt: skip
    return DVR(config)


def angles(system: torch.nn.Module, views: Views, unit: object, args: argparse.Namespace) -> dict[str, float]:
    """How far the learned cameras are from the true ones."""
    used = [k for k in range(len(views)) if not (views.held_out or [False] * len(views))[k]]
    scene = np.asarray(unit.rotation)
    corrected = system.poses.rotations().detach().double().numpy()
    found = [corrected[n] @ scene @ views.cameras[k].camera_from_world[:, :3].T for n, k in enumerate(used)]
    true = [scene @ args.true.cameras[k].camera_from_world[:, :3].T for k in used]
    return compared(found, true)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("--truth", type=Path)
    parser.add_argument("--method", choices=["hull", "dvr", "idr", "noisy"], default="hull")
    parser.add_argument("--degrees", type=float, default=3.0)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--rays", type=int, default=512)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--octaves", type=int, default=6)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--camera-rate", type=float, default=1.0)
    parser.add_argument("--shift-rate", type=float, default=0.1)
    parser.add_argument("--align-every", type=int, default=0)
    parser.add_argument("--depths", action="store_true", help="let dvr learn from depths, too")
    parser.add_argument("--resolution", type=int, default=128)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--mesh", type=Path, help="write the mesh here")
    parser.add_argument("--no-result", action="store_true")
    args = parser.parse_args()
    args.true, _ = read_views(args.photos)
    if not args.depths:
        args.true = replace(args.true, depths=None)
    views = turned(args.true, args.degrees, args.seed) if args.method == "noisy" else args.true
    began = time.monotonic()
    if args.method == "hull":
        mesh, told = hull(views), {"seconds": time.monotonic() - began}
    else:
        mesh, told = learned(views, args.method, args)
    truth, unit = Truth.of(read_mesh(args.truth or args.photos / "mesh.ply"))
    if args.mesh:
        write_mesh(args.mesh, mesh)
    measured = measure(mesh.transformed(unit), truth)
    row = {"photos": args.photos.name, "method": args.method, **told, "measured": measured}
    print(json.dumps(row, indent=1, default=str))
    if not args.no_result:
        keep(row)


def keep(row: dict) -> None:
    known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"rows": []}
    same = ("photos", "method")
    rows = [r for r in known["rows"] if any(r[key] != row[key] for key in same)]
    content = {"versions": versions(), "threads": torch.get_num_threads(), "rows": [*rows, row]}
    RESULTS.write_text(json.dumps(content, indent=1, default=str) + "\n")


if __name__ == "__main__":
    main()
