"""Draw a picture per kind of input: `python docs/pictures/kinds.py KIND [...]`.

    kinds.py voxels                  voxels of the furniture set -> meshes
    kinds.py image [--weights FILE]  renders of the furniture set -> meshes
    kinds.py converted               the shipped point network as an official checkpoint, converted back
    kinds.py fields FIELD.npz ...    field files, as `networks.py` trains them
    kinds.py texture                 the scan that ships, with few triangles: colours of vertices, texture

The furniture set is what `recipes/furniture.py` makes; only CC0 and CC-BY models of its test part are shown.
"""

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from pairs import arrow, in_rows, pair
from PIL import Image

from isofield.cli import main
from isofield.data import atomic_write, read_mesh, write_points
from isofield.geometry import Box, Mesh
from isofield.observation import PointCloud
from isofield.report.picture import Look, draw_mesh

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
BEAR = "bedroom/blendswap-cc-0-teddyBear"
BENCH = "living-room/blendswap-cc-0-pianoBench"
SPEAKER = "miscellaneous/blendswap-cc-0-speaker2"
CHAIR = "living-room/blendswap-cc-by-kitchenChair"
STOOL = "living-room/blendswap-cc-by-green_stool"
LOOK = Look(width=300, height=300, samples=3, sky_rays=8)


def reconstructed(folder: Path, source: Path, *words: str) -> Path:
    """The mesh that the command line makes of a file."""
    output = folder / f"{source.parent.name}-{source.stem}.mesh.ply"
    command = ["reconstruct", str(source), "-o", str(output), "--quiet", "--no-report", *words]
    assert main(command) == 0, command
    return output


def voxels(args: argparse.Namespace, folder: Path) -> np.ndarray:
    """Voxels of held-out models and the meshes that Gauss makes of them."""
    files = [args.data / model / "model.binvox" for model in (BEAR, BENCH)]
    return in_rows([pair(file, reconstructed(folder, file), LOOK) for file in files], 2)


def image(args: argparse.Namespace, folder: Path) -> np.ndarray:
    """Renders of held-out models and what a network makes of them."""
    files = [args.data / model / "img_choy2016" / "001.jpg" for model in (SPEAKER, BEAR, STOOL, CHAIR)]
    words = [] if args.weights is None else ["--weights", str(args.weights)]
    return in_rows([pair(file, reconstructed(folder, file, *words), LOOK) for file in files], 2)


def converted(args: argparse.Namespace, folder: Path) -> np.ndarray:
    """300 noisy points of held-out models through a converted checkpoint."""
    from isofield.official.onet import official_from_onet
    from isofield.systems.onet import ONet
    from isofield.systems.stored import ready_system

    system = ready_system("onet", "points")
    assert isinstance(system, ONet)
    torch.save({"model": official_from_onet(system)}, folder / "official.pt")
    assert main(["convert", str(folder / "official.pt"), "--quiet"]) == 0
    words, cells = ["--weights", str(folder / "official.safetensors")], []
    for model in (SPEAKER, BENCH, CHAIR, STOOL):
        file = folder / f"{Path(model).name}.ply"
        points = np.load(args.data / model / "pointcloud.npz")["points"].astype(float)
        draw = np.random.default_rng(0)
        points = points[draw.permutation(len(points))[:300]]
        write_points(file, PointCloud(points + draw.normal(0, 0.005, points.shape)))
        cells.append(pair(file, reconstructed(folder, file, *words), LOOK))
    return in_rows(cells, 2)


def fields(args: argparse.Namespace, folder: Path) -> np.ndarray:
    """Field files side by side."""
    look = replace(LOOK, width=460, height=400, sky_rays=12, turn=215)
    words = ["--keep", "largest", "--resolution", "256"]
    return in_rows([draw_mesh(read_mesh(reconstructed(folder, f, *words)), look) for f in args.files], 2)


def texture(args: argparse.Namespace, folder: Path) -> np.ndarray:
    """The shipped scan with few triangles: colours of its vertices, its texture, and the picture itself."""
    import trimesh

    scan, output = ROOT / "examples" / "scan.ply", folder / "horse.glb"
    words = ["--faces", "1500", "--texture", "1024", "--quiet", "--no-report"]
    assert main(["reconstruct", str(scan), "-o", str(output), *words]) == 0
    plain = read_mesh(reconstructed(folder, scan, "--faces", "1500"))
    loaded = trimesh.load(output, process=False).to_geometry()
    picture = np.asarray(loaded.visual.material.baseColorTexture.convert("RGB"), float) / 255
    look = replace(LOOK, width=420, height=380, sky_rays=12, turn=25, frame=Box.around(plain.vertices))
    drawn = [draw_mesh(plain, look), draw_mesh(painted(loaded, picture), look)]
    step = len(picture) / 380
    at = ((np.arange(380) + 0.5) * step).astype(int)
    return np.concatenate([drawn[0], arrow(380), drawn[1], picture[at][:, at]], axis=1)


def painted(loaded: "object", picture: np.ndarray, cuts: int = 4) -> Mesh:
    """A textured mesh cut so fine that colours of vertices show its texture."""
    corners, places = loaded.vertices[loaded.faces], loaded.visual.uv[loaded.faces]
    normals = loaded.vertex_normals[loaded.faces]
    for _ in range(cuts):
        corners, places, normals = (quartered(each) for each in (corners, places, normals))
    size = np.array([picture.shape[1], picture.shape[0]])
    # The middle of each small triangle tells its colour: corners may lie on the rim of a chart.
    middle = places.mean(axis=1) * [1, -1] + [0, 1]
    column, row = np.clip((middle * size).astype(int), 0, size - 1).T
    colours = np.repeat(picture[row, column], 3, axis=0)
    faces = np.arange(3 * len(corners)).reshape(-1, 3)
    normals = normals.reshape(-1, 3)
    normals = normals / np.linalg.norm(normals, axis=1, keepdims=True)
    return Mesh(np.asarray(corners, float).reshape(-1, 3), faces, normals, colours)


def quartered(triangles: np.ndarray) -> np.ndarray:
    """Each triangle as four, cut at the middles of its edges."""
    a, b, c = triangles.transpose(1, 0, 2)
    ab, bc, ca = (a + b) / 2, (b + c) / 2, (c + a) / 2
    parts = [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]
    return np.concatenate([np.stack(part, axis=1) for part in parts])


def write_coloured(path: Path, picture: np.ndarray) -> None:
    """A PNG of 255 colours, chosen so that shadows of one hue do not borrow from another."""
    rgb = Image.fromarray(np.rint(picture * 255).astype(np.uint8))
    few = rgb.quantize(255, kmeans=3, dither=Image.Dither.NONE)
    with atomic_write(path) as temporary:
        few.save(temporary, format="PNG", optimize=True)


KINDS = {"voxels": voxels, "image": image, "converted": converted, "fields": fields, "texture": texture}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("files", nargs="*", type=Path, help="field files")
    parser.add_argument("--data", type=Path, default=ROOT / "datasets" / "furniture")
    parser.add_argument("--weights", type=Path, help="weights of a network from pictures")
    parser.add_argument("--output", type=Path, help="PNG; docs/pictures/KIND.png")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        drawing = KINDS[arguments.kind](arguments, Path(name))
    write_coloured(arguments.output or HERE / f"{arguments.kind}.png", drawing)
