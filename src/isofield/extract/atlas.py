"""UV charts of a mesh by xatlas: a program of its own, from arrays on stdin to arrays on stdout.

xatlas can run for hours on meshes that are not manifold, and cannot be interrupted from within; as
another process it can. Imports nothing of isofield, so that it starts at once.
"""

import io
import sys

import numpy as np
import xatlas


def main() -> None:
    """Reads vertices, faces, resolution and padding; writes places of corners, in texels of the atlas."""
    given = io.BytesIO(sys.stdin.buffer.read())
    vertices, faces, numbers = (np.load(given) for _ in range(3))
    options = xatlas.PackOptions()
    options.resolution, options.padding = (int(number) for number in numbers)
    atlas = xatlas.Atlas()
    atlas.add_mesh(vertices, faces)
    atlas.generate(pack_options=options)
    _, corners, places = atlas[0]
    texels = places[corners] * np.array([atlas.width, atlas.height], np.float32)  # (f 3 2)
    np.save(sys.stdout.buffer, texels)
    np.save(sys.stdout.buffer, np.array([atlas.width, atlas.height, atlas.atlas_count]))


if __name__ == "__main__":
    main()
