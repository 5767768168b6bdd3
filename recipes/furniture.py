"""Fetches the furniture models of Sweet Home 3D and prepares them as a data set: `make data`.

    python recipes/furniture.py [--output datasets/furniture] [--jobs N]

About 820 models from the Debian package sweethome3d-furniture, CC0 or CC-BY 3.0 by archive; about
four in five say clearly enough what is inside. Each gets samples, voxels and 24 pictures in its own
materials. manifest.json in the data set names the creator and the licence of each model, and why a
model was left out. Running it again goes on where it stopped.
"""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

PACKAGE = "sweethome3d-furniture"
ARCHIVES = "usr/share/sweethome3d/furniture"
ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    """Exit code 0 when the data set is ready, 2 with a sentence when something is missing."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, default=ROOT / "datasets" / "furniture")
    parser.add_argument("--downloads", type=Path, default=ROOT / "datasets" / "downloads")
    parser.add_argument("--archives", type=Path, help="folder of .sh3f archives that are there already")
    parser.add_argument("--jobs", type=int, default=0, help="models at once; 0 for one per processor")
    args = parser.parse_args()
    try:
        archives = args.archives or fetch(args.downloads)
    except RuntimeError as error:
        print(f"furniture: {error}", file=sys.stderr)
        return 2
    from isofield.cli import main as isofield

    return isofield(["prepare", str(archives), "-o", str(args.output), "--sdf", "--jobs", str(args.jobs)])


def fetch(downloads: Path) -> Path:
    """Folder of the package's archives, downloaded and unpacked unless it is there already.

    Raises:
        RuntimeError: A tool is missing or failed; the message says what to do instead.
    """
    unpacked = downloads / PACKAGE
    archives = unpacked / ARCHIVES
    if any(archives.glob("*.sh3f")):
        return archives
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise RuntimeError(
                f"{tool} is not here: this recipe needs Debian or Ubuntu. Elsewhere, take the package"
                f" {PACKAGE} from a Debian mirror, unpack it, and give the folder of its .sh3f archives"
                " with --archives"
            )
    downloads.mkdir(parents=True, exist_ok=True)
    package = next(iter(sorted(downloads.glob(f"{PACKAGE}_*.deb"))), None)
    if package is None:
        call(["apt-get", "download", PACKAGE], downloads, "try apt-get update first, as root")
        package = next(iter(sorted(downloads.glob(f"{PACKAGE}_*.deb"))), None)
    if package is None:
        raise RuntimeError(f"apt-get has downloaded no {PACKAGE} to {downloads}")
    partial = downloads / f"{PACKAGE}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    call(["dpkg-deb", "-x", package.name, partial.name], downloads, f"delete {package} and try again")
    shutil.rmtree(unpacked, ignore_errors=True)
    partial.rename(unpacked)
    if not any(archives.glob("*.sh3f")):
        raise RuntimeError(f"{package} holds no .sh3f archives in {ARCHIVES}")
    return archives


def call(command: list[str], folder: Path, advice: str) -> None:
    """Run a command in a folder.

    Raises:
        RuntimeError: It failed; the message ends with the advice.
    """
    print(f"furniture: {' '.join(command)}", file=sys.stderr)
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise RuntimeError(f"{' '.join(command)} failed ({reason}); {advice}")


if __name__ == "__main__":
    sys.exit(main())
