"""Writes the furniture that docs/representation.md compares representations on.

    python recipes/representation.py [--output datasets/representation] [--downloads datasets/downloads]
    isofield bench representation datasets/representation/*.ply armadillo.obj ... -o bench

Ten models, from very thin to round, of the archives that recipes/furniture.py fetches, longest edge 1.
The page adds three classic scans, which everyone has and nobody may pass on.
"""

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CC_0, CC_BY = "blendswap-cc-0", "blendswap-cc-by"
MODELS = {
    *(f"{CC_0}-{name}" for name in ("bidet", "teddyBear", "bench", "stool", "desklamp")),
    *(f"{CC_BY}-{name}" for name in ("childChair", "kitchenChair", "tvStand")),
    *(f"scopia-{name}" for name in ("coffee_machine", "wooden_office_teak_table")),
}


def main() -> int:
    """Exit code 0 when all are written, 2 with a sentence when the archives are missing."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, default=ROOT / "datasets" / "representation")
    parser.add_argument("--downloads", type=Path, default=ROOT / "datasets" / "downloads")
    args = parser.parse_args()
    from isofield.data import write_mesh
    from isofield.data.judging import clearest
    from isofield.data.models import find_models
    from isofield.data.sampling import normalised

    archives = sorted(args.downloads.glob("**/*.sh3f"))
    if not archives:
        print(f"representation: {args.downloads} has no archives; run recipes/furniture.py", file=sys.stderr)
        return 2
    args.output.mkdir(parents=True, exist_ok=True)
    for model in find_models(archives):
        if model.id in MODELS:
            mesh = clearest(normalised(model.read())[0], 0).mesh
            path = args.output / f"{model.id.split('-')[-1]}.ply"
            write_mesh(path, mesh)
            print(path, len(mesh.faces), "faces")
    return 0


if __name__ == "__main__":
    sys.exit(main())
