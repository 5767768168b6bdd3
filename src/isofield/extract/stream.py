"""Any function of space -> the mesh of its zero surface, piece by piece, within a given memory.

The pieces of a mesh laid one after the other are the mesh: the same vertices and faces, byte for byte,
whatever the memory and so the number of pieces.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

from isofield.extract.layers import KEPT, Layers
from isofield.extract.lattice import Lattice
from isofield.extract.marching import Seam, march
from isofield.extract.project import place_vertices
from isofield.extract.refine import refine_to
from isofield.extract.sampler import Sampler, no_surface
from isofield.geometry import Box, Mesh
from isofield.ops.query import query
from isofield.scene import Colour, Inside
