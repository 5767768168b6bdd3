"""Meshes written and read back: geometry, colours, normals, large coordinates, the same bytes."""

import base64
import json
import struct

import numpy as np
import pytest

from isofield.data import MESH_FORMATS, read_mesh, read_points, write_mesh, write_points
from isofield.data.glb import linear_from_srgb, srgb_from_linear
from isofield.data.precision import needs_double
from isofield.errors import InputError
from isofield.geometry import Mesh
from isofield.observation import PointCloud

UTM = np.array([512_345.678, 5_403_210.987, 337.25])


@pytest.fixture
def ball() -> Mesh:
    """An octahedron split twice, pushed onto the sphere: normals are positions, colours any."""
    vertices = np.array([[1.0, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]])
    faces = np.array([[0, 2, 4], [2, 1, 4], [1, 3, 4], [3, 0, 4], [2, 0, 5], [1, 2, 5], [3, 1, 5], [0, 3, 5]])
    for _ in range(2):
        a, b, c = (faces[:, i] for i in range(3))
        edges = np.sort(np.concatenate([[a, b], [b, c], [c, a]], axis=1).T, axis=1)
        unique, number = np.unique(edges, axis=0, return_inverse=True)
        ab, bc, ca = number.reshape(3, -1) + len(vertices)
        vertices = np.concatenate([vertices, vertices[unique].mean(axis=1)])
        faces = np.concatenate(
            [np.stack(t, axis=1) for t in ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))]
        )
    vertices /= np.linalg.norm(vertices, axis=1, keepdims=True)
    colours = np.random.default_rng(0).random(vertices.shape)
    return Mesh(vertices, faces, vertices, colours)


@pytest.mark.parametrize("extension", MESH_FORMATS)
@pytest.mark.parametrize("offset", [np.zeros(3), UTM])
def test_geometry_survives(tmp_path, ball, extension, offset):
    mesh = Mesh(ball.vertices + offset, ball.faces)
    path = tmp_path / f"ball{extension}"
    write_mesh(path, mesh)
    back = read_mesh(path)
    np.testing.assert_allclose(back.vertices[back.faces], mesh.vertices[mesh.faces], atol=2e-7, rtol=0)
    assert len(back.vertices) == len(mesh.vertices)
    assert back.colours is None


@pytest.mark.parametrize(("extension", "step"), [(".glb", 1e-6), (".ply", 0.5 / 255 + 1e-9), (".obj", 1e-3)])
def test_colours_and_normals_survive(tmp_path, ball, extension, step):
    path = tmp_path / f"ball{extension}"
    write_mesh(path, ball)
    back = read_mesh(path)
    if extension == ".obj":  # trimesh keeps colours as bytes
        step = 1.2 / 255
    np.testing.assert_allclose(back.colours, ball.colours, atol=step)
    if back.normals is not None:
        np.testing.assert_allclose(back.normals, ball.normals, atol=1e-6)
    else:
        assert extension == ".obj"
        assert path.read_text().count("vn ") == len(ball.vertices)


def test_trimesh_reads_what_we_write(tmp_path, ball):
    import trimesh

    for extension in MESH_FORMATS:
        write_mesh(tmp_path / f"ball{extension}", ball)
        other = trimesh.load(tmp_path / f"ball{extension}", force="mesh")
        assert other.is_watertight
        assert other.volume == pytest.approx(4 * np.pi / 3, rel=0.1)


def glb_parts(path):
    data = path.read_bytes()
    magic, version, length = struct.unpack_from("<4sII", data)
    size, kind = struct.unpack_from("<I4s", data, 12)
    assert (magic, version, length, kind) == (b"glTF", 2, len(data), b"JSON")
    assert size % 4 == 0
    return json.loads(data[20 : 20 + size]), data[20 + size + 8 :]


def test_glb_holds_linear_colours_and_a_matt_material(tmp_path, ball):
    write_mesh(tmp_path / "ball.glb", ball)
    document, binary = glb_parts(tmp_path / "ball.glb")
    attributes = document["meshes"][0]["primitives"][0]["attributes"]
    view = document["bufferViews"][attributes["COLOR_0"]]
    stored = np.frombuffer(binary, "<f4", 3 * len(ball.vertices), view["byteOffset"]).reshape(-1, 3)
    np.testing.assert_allclose(stored, linear_from_srgb(ball.colours), atol=1e-7)
    assert document["materials"][0]["pbrMetallicRoughness"]["metallicFactor"] == 0
    position = document["accessors"][attributes["POSITION"]]
    np.testing.assert_array_equal(position["max"], ball.vertices.astype(np.float32).max(axis=0))
    assert "translation" not in document["nodes"][0]


def test_glb_moves_large_coordinates_into_the_node(tmp_path, ball):
    write_mesh(tmp_path / "ball.glb", Mesh(ball.vertices + UTM, ball.faces))
    document, _ = glb_parts(tmp_path / "ball.glb")
    np.testing.assert_allclose(document["nodes"][0]["translation"], UTM, atol=1e-9)


def test_srgb_by_its_definition():
    grey = np.array([[0.0, 0.04045, 0.5], [0.735357, 1, 0.01]])
    linear = [[0, 0.0031308, 0.2140411], [0.5, 1, 0.01 / 12.92]]
    np.testing.assert_allclose(linear_from_srgb(grey), linear, atol=2e-7)
    np.testing.assert_allclose(srgb_from_linear(linear_from_srgb(grey)), grey, atol=1e-6)


def test_doubles_only_where_they_are_needed(tmp_path, ball):
    assert not needs_double(ball.vertices)
    assert needs_double(ball.vertices + UTM)
    assert not needs_double(1000 * ball.vertices + 5000)
    for offset, kind in ((0, b"property float x"), (UTM, b"property double x")):
        write_mesh(tmp_path / "a.ply", Mesh(ball.vertices + offset, ball.faces))
        assert kind in (tmp_path / "a.ply").read_bytes()[:200]


@pytest.mark.parametrize("extension", MESH_FORMATS)
def test_same_mesh_same_bytes(tmp_path, ball, extension):
    for name in "ab":
        write_mesh(tmp_path / f"{name}{extension}", ball)
    assert (tmp_path / f"a{extension}").read_bytes() == (tmp_path / f"b{extension}").read_bytes()


def test_what_cannot_be_written(tmp_path, ball):
    with pytest.raises(InputError, match=r"meshes are written as \.glb, \.ply"):
        write_mesh(tmp_path / "ball.fbx", ball)
    with pytest.raises(InputError, match="the mesh has no faces"):
        write_mesh(tmp_path / "ball.ply", Mesh(ball.vertices, np.empty((0, 3), np.int64)))
    with pytest.raises(InputError, match="there is no folder"):
        write_mesh(tmp_path / "no" / "ball.ply", ball)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("extension", [".ply", ".xyz", ".npz"])
@pytest.mark.parametrize("offset", [np.zeros(3), UTM])
def test_points_survive(tmp_path, ball, extension, offset):
    cloud = PointCloud(ball.vertices + offset, ball.normals, ball.colours)
    for name in "ab":
        write_points(tmp_path / f"{name}{extension}", cloud)
    back = read_points(tmp_path / f"a{extension}")
    np.testing.assert_allclose(back.points, cloud.points, atol=1e-7, rtol=0)
    np.testing.assert_allclose(back.normals, cloud.normals, atol=1e-6)
    np.testing.assert_allclose(back.colours, cloud.colours, atol=0.5 / 255 + 1e-9)
    assert (tmp_path / f"a{extension}").read_bytes() == (tmp_path / f"b{extension}").read_bytes()


def scene(ball, node, **primitive):
    """A GLTF file with the ball's data inside the JSON."""
    data = ball.vertices.astype("<f4").tobytes() + ball.faces.astype("<u2").tobytes()
    split = 12 * len(ball.vertices)
    return {
        "asset": {"version": "2.0"},
        "scenes": [{"nodes": [0]}],
        "nodes": [{"scale": [2, 2, 2], "children": [1]}, {"mesh": 0, **node}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "indices": 1, **primitive}]}],
        "accessors": [
            {"bufferView": 0, "componentType": 5126, "count": len(ball.vertices), "type": "VEC3"},
            {"bufferView": 1, "componentType": 5123, "count": ball.faces.size, "type": "SCALAR"},
        ],
        "bufferViews": [
            {"buffer": 0, "byteOffset": 0, "byteLength": split},
            {"buffer": 0, "byteOffset": split, "byteLength": len(data) - split},
        ],
        "buffers": [
            {"byteLength": len(data), "uri": "data:;base64," + base64.b64encode(data).decode()},
        ],
    }


def test_gltf_nodes_place_their_meshes(tmp_path, ball):
    quarter = [0, 0, 0.5**0.5, 0.5**0.5]  # x -> y
    content = scene(ball, {"rotation": quarter, "translation": [1, 2, 3]})
    (tmp_path / "a.gltf").write_text(json.dumps(content))
    x, y, z = ball.vertices.T
    np.testing.assert_allclose(
        read_mesh(tmp_path / "a.gltf").vertices, 2 * np.stack([1 - y, 2 + x, 3 + z], axis=1), atol=1e-6
    )


def test_mirrored_nodes_keep_their_outside(tmp_path, ball):
    (tmp_path / "a.gltf").write_text(json.dumps(scene(ball, {"scale": [-1, 1, 1]})))
    mesh = read_mesh(tmp_path / "a.gltf")
    corners = mesh.vertices[mesh.faces]
    volume = np.einsum("ij,ij->", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])) / 6
    assert volume == pytest.approx(8 * 4 * np.pi / 3, rel=0.1)


def test_gltf_textures_are_sampled(tmp_path, ball):
    import io

    from PIL import Image

    pixels = np.array([[[255, 0, 0], [0, 128, 255]]], np.uint8)  # left red, right blue
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    content = scene(ball, {}, material=0)
    uv = np.stack([np.where(ball.vertices[:, 0] > 0, 0.75, 0.25), np.full(len(ball.vertices), 0.5)], axis=1)
    data = uv.astype("<f4").tobytes()
    content["buffers"].append(
        {"byteLength": len(data), "uri": "data:;base64," + base64.b64encode(data).decode()}
    )
    content["bufferViews"].append({"buffer": 1, "byteLength": len(data)})
    content["accessors"].append({"bufferView": 2, "componentType": 5126, "count": len(uv), "type": "VEC2"})
    content["meshes"][0]["primitives"][0]["attributes"]["TEXCOORD_0"] = 2
    content["images"] = [{"uri": "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()}]
    content["textures"] = [{"source": 0}]
    content["materials"] = [{"pbrMetallicRoughness": {"baseColorTexture": {"index": 0}}}]
    (tmp_path / "a.gltf").write_text(json.dumps(content))
    expected = np.where(ball.vertices[:, :1] > 0, [[0, 128 / 255, 1]], [[1, 0, 0]])
    np.testing.assert_allclose(read_mesh(tmp_path / "a.gltf").colours, expected, atol=1e-6)


def test_damaged_gltf(tmp_path, ball):
    for change, sentence in (
        ({"accessors": []}, "damaged glTF"),
        ({"extensionsRequired": ["KHR_draco_mesh_compression"]}, "needs the glTF extension KHR_draco"),
        ({"nodes": [{"children": [0], "mesh": 0}]}, "contain themselves"),
        ({"buffers": [{"byteLength": 1, "uri": "gone.bin"}]}, "gone.bin is missing"),
        ({"buffers": [{"byteLength": 0, "uri": "data:;base64,"}]}, "reaches beyond the end"),
    ):
        (tmp_path / "a.gltf").write_text(json.dumps(scene(ball, {}) | change))
        with pytest.raises(InputError, match=sentence):
            read_mesh(tmp_path / "a.gltf")
    write_mesh(tmp_path / "a.glb", ball)
    (tmp_path / "a.glb").write_bytes((tmp_path / "a.glb").read_bytes()[:-9])
    with pytest.raises(InputError, match="is cut off"):
        read_mesh(tmp_path / "a.glb")


def test_obj_texture_and_material_colours(tmp_path):
    from PIL import Image

    Image.fromarray(np.array([[[0, 255, 0], [0, 0, 255]]] * 2, np.uint8)).save(tmp_path / "t.png")
    (tmp_path / "m.mtl").write_text("newmtl m\nKd 1 1 1\nmap_Kd t.png\n")
    (tmp_path / "a.obj").write_text(
        "mtllib m.mtl\nv 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0.1 0.5\nvt 0.9 0.5\nvt 0.1 0.6\n"
        "usemtl m\nf 1/1 2/2 3/3\n"
    )
    mesh = read_mesh(tmp_path / "a.obj")
    colour = dict(zip(map(tuple, mesh.vertices.tolist()), mesh.colours, strict=True))
    assert colour[0.0, 0, 0].argmax() == 1
    assert colour[1.0, 0, 0].argmax() == 2


def test_uv_without_material_is_no_colour(tmp_path):
    (tmp_path / "a.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0 0\nvt 1 0\nvt 0 1\nf 1/1 2/2 3/3\n")
    assert read_mesh(tmp_path / "a.obj").colours is None


def test_faces_that_name_vertices_which_are_not_there(tmp_path, disk, columns):
    (tmp_path / "a.ply").write_bytes(disk.ply_bytes(columns, "binary_little_endian", faces=[[0, 1, 20]]))
    with pytest.raises(InputError, match="name vertices that are not there"):
        read_mesh(tmp_path / "a.ply")


def test_vertices_that_are_not_finite_go_with_their_faces(tmp_path, disk, columns):
    columns["y"][1] = np.nan
    content = disk.ply_bytes(columns, "binary_little_endian", faces=[[0, 1, 2], [2, 3, 4]])
    (tmp_path / "a.ply").write_bytes(content)
    mesh = read_mesh(tmp_path / "a.ply")
    assert mesh.faces.tolist() == [[1, 2, 3]]
    assert len(mesh.vertices) == len(mesh.normals) == 19


def test_text_files_are_no_meshes(tmp_path):
    (tmp_path / "a.xyz").write_text("1 2 3\n")
    with pytest.raises(InputError, match="holds no mesh"):
        read_mesh(tmp_path / "a.xyz")


def test_vertices_of_two_coordinates(tmp_path):
    (tmp_path / "a.obj").write_text("v 0 0\nv 1 0\nv 0 1\nf 1 2 3\n")
    with pytest.raises(InputError, match="do not have three coordinates"):
        read_mesh(tmp_path / "a.obj")
