"""Write `benchmarks.md` from what was measured: `python docs/make_benchmarks.py`.

The numbers are those of benchmarks/results/*.json, as benchmarks/points.py, furniture.py,
large.py, extraction.py and stream.py wrote them; nothing here is typed by hand.
"""

import json
from pathlib import Path

PAGE = Path(__file__).with_name("benchmarks.md")
RESULTS = Path(__file__).parent.parent / "benchmarks" / "results"
NAMES = {
    "isofield": "isofield",
    "indicator": "isofield",
    "gauss": "isofield, Gauss alone",
    "open3d_poisson_d8": "Open3D Poisson",
    "pymeshlab_poisson_d8": "pymeshlab Poisson",
}
CASES = {
    "n3k_noisy": "3,000 points, noise 0.005, no normals",
    "n100k_clean": "100,000 clean points, no normals",
    "n100k_clean_normals": "100,000 clean points with exact normals",
}
HEAD = """# Benchmarks

Made from `benchmarks/results/` by `python docs/make_benchmarks.py`; how to run them again stands below each
table. [Metrics](metrics.md) says what the columns mean; lengths are in units of the longest edge. Poisson is
screened Poisson of depth 8 with the normals and orientation that Open3D (30 neighbours, consistent tangent
planes) and pymeshlab (16 neighbours) find by themselves.
"""
SHAPES = """
## Shapes

CPU seconds count beyond the start of the interpreter and its imports, over all threads; normal estimation and
orientation are included. Machine: {platform}, {processors} processors, shared
with other work: the same row repeated differs by up to 60 % (armadillo, 3,000 points: 2.8 to 4.7 s).
The rows of isofield were measured again after those of Poisson, not in the same run; compare seconds loosely.
"""
SHAPES_COMMAND = """
`python benchmarks/points.py --mesh NAME=FILE ... --baseline-python PYTHON`
"""
FURNITURE = """
## Held-out furniture

Models of the test part of the [furniture set](train_on_your_own_shapes.md#the-furniture-set), noise 0.005, no
normals; means over objects. Truth is the winding number, closed voids are free space.

| points | models | method | IoU | Chamfer-L1 | normal consistency | closed |
|---:|---:|---|---:|---:|---:|---:|
"""
FURNITURE_COMMAND = """
`python benchmarks/furniture.py datasets/furniture --system indicator --baseline-python PYTHON`
"""
LARGE = """
## Large clouds

Points drawn from one mesh, the whole command with its report, two threads.

| points | wall seconds | CPU seconds | peak memory | faces | closed |
|---:|---:|---:|---:|---:|---|
"""
LARGE_COMMAND = """
`python benchmarks/large.py FILE`
"""
EXTRACTION = """
## Mesh extraction

Seven shapes from formulas, thin and disconnected ones among them, in one decoder of Occupancy Networks
(5 blocks of 256; `recipes/bench_shapes.py`). The usual way is the decoder as its authors wrote it, their
extraction ([MISE](https://arxiv.org/abs/1812.03828)) over dense arrays and scikit-image's marching cubes,
with their batch of 100,000 points and with one of 1,000; ours is
`extract_mesh(inside, box, project=0, normals=None)`, binding included. In turns in one process, the best
of each; means over the shapes. {processors} processors, torch {torch}, load average {load_before} before
the run.

| grid | threads | usual way, 100k | 1k | isofield | ratio (least) | ratio to 1k (least) | evaluations | \
same topology | largest deviation |
|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|
"""
MARCHING = """
Marching cubes alone, {resolution}³, on the active cells beside scikit-image on the dense grid: {least:.1f} to
{most:.1f} times as fast over the seven formulas.
"""
CERTIFIED = """
Proven extraction of trained signed distance networks beside the default, {resolution}³:

| network | default, seconds | proven, seconds | ratio |
|---|---:|---:|---:|
"""
GROWTH = """
Growth, one formula: time with the power {exponent_seconds:.2f} of the resolution, memory with
{exponent_memory_bytes:.2f}, from 256 on.

| resolution | seconds | memory beyond a first small one | evaluations | faces |
|---:|---:|---:|---:|---:|
"""
EXTRACTION_COMMAND = """
![Seconds side by side, and growth](pictures/extraction.svg)

`python recipes/bench_shapes.py && python benchmarks/extraction.py -o benchmarks/results/extraction.json \
--plot docs/pictures/extraction.svg`
"""
STREAM = """
## Very fine meshes

Shapes from formulas, piece by piece to a PLY within {memory} ([how](extraction.md#very-fine-meshes)).
The peak is that of the whole process, imports included.

| shape | grid | vertices | triangles | pieces | seconds | peak memory | file |
|---|---:|---:|---:|---:|---:|---:|---:|
"""
STREAM_COMMAND = """
`python benchmarks/stream.py -o benchmarks/results/stream.json`
"""


def load(name: str) -> dict:
    """One file of results."""
    return json.loads((RESULTS / name).read_text(encoding="utf-8"))


def shapes(found: dict) -> str:
    """A table per case: every method on every mesh."""
    text = SHAPES.format(**found["about"])
    for case, title in CASES.items():
        rows = [row for row in found["rows"] if row["case"] == case]
        if not rows:
            continue
        text += f"\n### {title[0].upper()}{title[1:]}\n\n"
        text += "| mesh | method | IoU | Chamfer-L1 | normal consistency | CPU seconds | closed |\n"
        text += "|---|---|---:|---:|---:|---:|---|\n"
        for row in rows:
            head = f"| {row['mesh']} | {NAMES[row['method']]} |"
            if "error" in row:
                text += f"{head} {row['error']} | | | | |\n"
                continue
            text += f"{head} {row['iou']:.3f} | {row['chamfer_l1']:.4f} | {row['normal_consistency']:.3f} |"
            text += f" {row['cpu_seconds_beyond_imports']:.1f} | {'yes' if row['closed'] else 'no'} |\n"
    return text + SHAPES_COMMAND


def furniture(found: dict) -> str:
    """Means over the held-out models, by number of points and method."""
    keys = sorted(found, key=lambda key: int(key.split("/")[1]))
    text = FURNITURE
    for key in keys:
        method, count = key.split("/")
        summary = found[key]["summary"]
        means = summary["mean_over_objects"]
        text += f"| {int(count):,} | {summary['objects']} | {NAMES[method]} | {means['iou']:.3f} |"
        text += f" {means['chamfer_l1']:.4f} | {means['normal_consistency']:.3f} | {means['closed']:.0%} |\n"
    return text + FURNITURE_COMMAND


def large(found: dict) -> str:
    """What clouds of a million points and more cost."""
    text = LARGE
    for row in found["rows"]:
        text += f"| {row['points']:,} | {row['wall_seconds']:.0f} | {row['cpu_seconds']:.0f} |"
        text += f" {row['peak_memory_bytes'] / 1e9:.1f} GB | {row['faces']:,} |"
        text += f" {'yes' if row['closed'] else 'no'} |\n"
    return text + LARGE_COMMAND


def extraction(found: dict) -> str:
    """Whole extractions, marching cubes, proven extraction, growth."""
    text = EXTRACTION.format(**found["about"] | {"load_before": found["about"]["load_before"][0]})
    for row in found["summary"]:
        text += f"| {row['resolution']}³ | {row['threads']} | {row['seconds_peer_100k']:.2f} s |"
        text += f" {row['seconds_peer_1k']:.2f} s | {row['seconds_ours']:.2f} s |"
        text += f" {row['ratio_100k']:.1f} ({row['least_ratio_100k']:.1f}) |"
        text += (
            f" {row['ratio_1k']:.1f} ({row['least_ratio_1k']:.1f}) | {row['share_of_mise']:.0%} of MISE's |"
        )
        text += f" {row['equal_topology']} of {row['shapes']} | {row['deviation_voxels']:.4f} voxel |\n"
    ratios = [row["ratio"] for row in found["marching"]]
    resolution = found["marching"][0]["resolution"]
    text += MARCHING.format(resolution=resolution, least=min(ratios), most=max(ratios))
    if found["certified"]:
        text += CERTIFIED.format(**found["certified"][0])
        for row in found["certified"]:
            text += f"| {row['field']} | {row['seconds_default']:.2f} | {row['seconds_certified']:.2f} |"
            text += f" {row['ratio']:.2f} |\n"
    text += GROWTH.format(**found["growth"])
    for row in found["growth"]["rows"]:
        text += f"| {row['resolution']} | {row['seconds']:.2f} | {row['memory_bytes'] / 1e6:.0f} MB |"
        text += f" {row['points']:,} | {row['faces']:,} |\n"
    return text + EXTRACTION_COMMAND


def stream(found: list[dict]) -> str:
    """What very fine meshes cost."""
    text = STREAM.format(memory=found[0]["memory"])
    for row in found:
        text += f"| {row['shape']} | {row['resolution']}³ | {row['vertices']:,} | {row['faces']:,} |"
        text += (
            f" {row['pieces']} | {row['seconds']:.0f} | {row['peak_gb']:.2f} GB | {row['file_gb']:.2f} GB |\n"
        )
    return text + STREAM_COMMAND


def page() -> str:
    """The whole page, in Markdown."""
    tables = shapes(load("points.json")) + furniture(load("furniture.json")) + large(load("large.json"))
    # Measured on a quiet machine only, so it may still be missing.
    if (RESULTS / "extraction.json").exists():
        tables += extraction(load("extraction.json"))
    tables += stream(load("stream.json"))
    return HEAD + tables


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
