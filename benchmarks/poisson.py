"""The baseline: screened Poisson reconstruction by Open3D or pymeshlab, with their own normals.

    python poisson.py open3d IN.ply OUT.ply [DEPTH]

Runs in an environment of its own (pip install open3d pymeshlab numpy); isofield needs neither. The
orientation of estimated normals is arbitrary as a whole, so a result with negative volume is turned.
"""

import sys

import numpy as np


def signed_volume(vertices: np.ndarray, faces: np.ndarray) -> float:
    """Volume by the divergence theorem; negative if the faces look inwards."""
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    return float(np.einsum("ij,ij->", a, np.cross(b, c)) / 6)


def open3d(source: str, target: str, depth: int, threads: int) -> None:
    """30 neighbours, consistent tangent planes over 15, screened Poisson."""
    import open3d as o3d

    cloud = o3d.io.read_point_cloud(source)
    if not cloud.has_normals():
        cloud.estimate_normals(o3d.geometry.KDTreeSearchParamKNN(30))
        cloud.orient_normals_consistent_tangent_plane(15)
    poisson = o3d.geometry.TriangleMesh.create_from_point_cloud_poisson
    mesh, _ = poisson(cloud, depth=depth, n_threads=threads)
    faces = np.asarray(mesh.triangles)
    if signed_volume(np.asarray(mesh.vertices), faces) < 0:
        mesh.triangles = o3d.utility.Vector3iVector(faces[:, ::-1].copy())
    o3d.io.write_triangle_mesh(target, mesh)


def pymeshlab(source: str, target: str, depth: int, threads: int) -> None:
    """16 neighbours, two smoothing passes, screened Poisson."""
    import pymeshlab as lab

    meshes = lab.MeshSet()
    meshes.load_new_mesh(source)
    with open(source, "rb") as stream:
        has_normals = b"nx" in stream.read(400)
    if not has_normals:
        meshes.compute_normal_for_point_clouds(k=16, smoothiter=2)
    meshes.generate_surface_reconstruction_screened_poisson(depth=depth, threads=threads)
    current = meshes.current_mesh()
    if signed_volume(current.vertex_matrix(), current.face_matrix()) < 0:
        meshes.meshing_invert_face_orientation()
    meshes.save_current_mesh(target, save_vertex_quality=False, save_vertex_color=False)


def main(words: list[str]) -> int:
    """Exit code 0; the method, the two files and the depth are given in this order."""
    method, source, target, *rest = words
    depth, threads = int(rest[0]) if rest else 8, int(rest[1]) if len(rest) > 1 else 2
    {"open3d": open3d, "pymeshlab": pymeshlab}[method](source, target, depth, threads)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
