"""What differentiating a crossing costs: time and memory of DVR's march, forwards and backwards.

    python benchmarks/surface.py

One object of DVR's published width (512, and 128), 1,024 rays against a ball that the network has not
learned but imitates by an added distance; gradients of all weights through the depth alone. Forwards is
the march of 16 to 512 samples, the secant and the one evaluation that the gradient needs; backwards all
that follows. `kept` are the bytes of all tensors that
the graph of the crossing keeps, each counted once. Writes benchmarks/results/surface.json.
"""

import json
import time
from pathlib import Path
from statistics import median

import torch

from isofield.cli.run_record import versions
from isofield.fields.dvr import CodedMlp
from isofield.geometry import Box
from isofield.geometry.rays import Rays
from isofield.render.surface import Function, intersect
from isofield.systems.dvr import rays_within

RESULTS = Path(__file__).parent / "results" / "surface.json"
RAYS = 1024


def rays() -> Rays:
    draw = torch.Generator().manual_seed(0)
    origins = torch.tensor([[0.2, 0.4, -2.0]]).expand(RAYS, 3)
    goals = (torch.rand(RAYS, 3, generator=draw) - 0.5) * 0.5
    return rays_within(origins, torch.nn.functional.normalize(goals - origins, dim=-1), Box.cube(1.1))


def ball(field: CodedMlp) -> Function:
    return lambda points: 0.4 - points.norm(dim=-1) + 0.01 * field(points[None])[0, :, 0]


def kept(inside: Function, through: Rays, steps: int) -> int:
    """Bytes that the graph of the crossing keeps."""
    found: dict[int, tuple[int, torch.Tensor]] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        found[storage.data_ptr()] = (storage.nbytes(), tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        intersect(inside, through, steps)
    return sum(size for size, _ in found.values())


def measured(width: int, steps: int, repeats: int = 3) -> dict[str, float]:
    torch.manual_seed(0)
    field, through = CodedMlp(0, width), rays()
    inside = ball(field)
    forth, back, found = [], [], 0
    for _ in range(repeats):
        began = time.process_time()
        hits = intersect(inside, through, steps)
        middle = time.process_time()
        hits.t[hits.found].sum().backward()
        forth.append(middle - began)
        back.append(time.process_time() - middle)
        found = int(hits.found.sum())
    return {
        "width": width,
        "steps": steps,
        "hits": found,
        "forward_seconds": median(forth),
        "backward_seconds": median(back),
        "backward_over_forward": median(back) / median(forth),
        "kept_bytes": kept(inside, through, steps),
    }


def main() -> None:
    torch.set_num_threads(1)
    rows = []
    for width in (128, 512):
        for steps in (16, 128, 512):
            rows.append(measured(width, steps))
            print("  ".join(f"{name} {value:.4g}" for name, value in rows[-1].items()), flush=True)
    RESULTS.write_text(json.dumps({"versions": versions(), "rays": RAYS, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
