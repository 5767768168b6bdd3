"""Rays meet the faces of a mesh, by Embree."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from isofield.errors import InputError
from isofield.geometry import Mesh
from isofield.geometry.rays import Rays


@dataclass(frozen=True)
class MeshMet:
    """What rays meet."""

    t: Float[Tensor, " r"]
    normals: Float[Tensor, "r 3"]
    colours: Float[Tensor, "r 3"] | None


class MeshTracer:
    """A mesh made ready for rays.

    Raises:
        InputError: Embree is not there (it is installed on x86-64 only).
    """

    def __init__(self, mesh: Mesh) -> None:
        try:
            from embreex import rtcore_scene
            from embreex.mesh_construction import TriangleMesh
        except ImportError as error:
            raise InputError("pictures need the package embreex, which exists for x86-64 only") from error
        self.mesh = mesh
        self.normals = mesh.normals if mesh.normals is not None else mesh.vertex_normals()
        # Embree computes in float32: large coordinates would lose their last digits
        self.centre = mesh.vertices.mean(axis=0)
        self._scene = rtcore_scene.EmbreeScene()
        TriangleMesh(self._scene, (mesh.vertices - self.centre)[mesh.faces].astype(np.float32))

    def met(self, rays: Rays) -> MeshMet:
        """First faces; normals towards the ray's side, as the inner side is seen, too."""
        origins = (rays.origins.numpy() - self.centre).astype(np.float32)
        hit = self._scene.run(origins, rays.directions.numpy().astype(np.float32), output=True)
        on = hit["primID"] >= 0
        t = np.where(on, hit["tfar"], np.inf)
        corner = self.mesh.faces[hit["primID"][on]]
        u, v = hit["u"][on], hit["v"][on]
        share = np.stack([1 - u - v, u, v], axis=1)[..., None]
        normals = np.zeros((len(t), 3))
        found = (self.normals[corner] * share).sum(axis=1)
        found /= np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12)
        behind = (found * rays.directions.numpy()[on]).sum(axis=1) > 0
        normals[on] = np.where(behind[:, None], -found, found)
        colours = None
        if self.mesh.colours is not None:
            colours = np.zeros((len(t), 3))
            colours[on] = (self.mesh.colours[corner] * share).sum(axis=1)
        rest = (None if a is None else torch.from_numpy(a.astype(np.float32)) for a in (normals, colours))
        return MeshMet(torch.from_numpy(t.astype(np.float32)), *rest)  # type: ignore[arg-type]
