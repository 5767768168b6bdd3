"""isofield: 3D reconstruction in function space.

A shape, its colour and its motion are functions of space; a mesh, an image or an animation
is read out of them.
"""

from importlib.metadata import version

__version__ = version("isofield")
