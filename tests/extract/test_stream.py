"""Meshes in pieces: the same bytes as at once, within the memory that was given."""

import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import torch

from isofield.data.ply_writing import ply_stream
from isofield.data.writing import write_mesh
from isofield.errors import InputError
from isofield.extract import extract_mesh, stream
from isofield.geometry import Box, Mesh

BOX = Box.cube(1.0)


def gyroid(p):
    s, c = torch.sin(18 * p), torch.cos(18 * p)
    waves = s[:, 0] * c[:, 1] + s[:, 1] * c[:, 2] + s[:, 2] * c[:, 0]
    return torch.minimum(0.3 - waves.abs(), 0.45 - p.norm(dim=1))


def thread(p):
    """A thin wire that winds along x: the coarse grid sees little of it, the rest is found by following."""
    centre = torch.stack([0.2 * torch.sin(9 * p[:, 0]), 0.2 * torch.cos(9 * p[:, 0])], dim=1)
    wire = 0.009 - (p[:, 1:] - centre).norm(dim=1)
    return torch.maximum(wire, 0.05 - (p - 0.4).norm(dim=1))


def steps(p):
    """Only signs, on plates across x that lie between nodes."""
    return torch.where((torch.sin(60 * p[:, 0]) > 0.3) & (p.abs().amax(dim=1) < 0.37), 1.0, -1.0)


def beyond(p):
    """Leaves the box: capped there."""
    return torch.sin(7 * p).sum(dim=1) + 0.2


def in_pieces(field, layers, monkeypatch, **options):
    monkeypatch.setattr(
        stream,
        "partition",
        lambda counts, room, memory: [
            range(k, min(k + layers, len(counts))) for k in range(0, len(counts), layers)
        ],
    )
    pieces = list(stream.stream_mesh(field, BOX, memory=10**12, **options))
    return Mesh(
        np.concatenate([piece.vertices for piece in pieces]),
        np.concatenate([piece.faces for piece in pieces]).astype(np.int64),
    ), len(pieces)


@pytest.mark.parametrize("field", [gyroid, thread, steps, beyond])
@pytest.mark.parametrize("layers", [1, 3])
def test_pieces_are_the_mesh_byte_for_byte(field, layers, monkeypatch):
    options = {"resolution": 101 if field is thread else 90, "closed": layers == 1}
    whole = extract_mesh(field, BOX, normals=None, **options)
    mesh, count = in_pieces(field, layers, monkeypatch, **options)
    assert count == -(-(options["resolution"] // 8 + 1) // layers)
    assert mesh.vertices.tobytes() == whole.vertices.tobytes()
    assert mesh.faces.tobytes() == whole.faces.tobytes()


def test_as_many_nodes_are_evaluated_whatever_the_pieces(monkeypatch):
    """What surprises in one piece is followed into the others, back and forth."""
    counts = []
    for layers in (1, 2, 5, 99):
        asked = 0

        def counted(p):
            nonlocal asked
            asked += len(p)
            return thread(p)

        in_pieces(counted, layers, monkeypatch, resolution=101, project=0)
        counts.append(asked)
    assert len(set(counts)) == 1
    asked = 0
    extract_mesh(counted, BOX, resolution=101, project=0, normals=None)
    assert asked == counts[0]


def test_random_fields_in_pieces(monkeypatch):
    for seed in range(12):
        rng = np.random.default_rng(seed)
        waves = torch.as_tensor(rng.normal(0, 25, (5, 3)), dtype=torch.float32)
        phase = torch.as_tensor(rng.uniform(0, 6, 5), dtype=torch.float32)

        def field(p, waves=waves, phase=phase):
            # not p @ waves.T: a product of matrices may round a row differently in other company
            x, y, z = p.T
            terms = [torch.cos(x * a + y * b + z * c + s) for (a, b, c), s in zip(waves, phase, strict=True)]
            return sum(terms, -0.5 + 0 * x)

        whole = extract_mesh(field, BOX, resolution=70, coarse=16, normals=None, project=0)
        mesh, _ = in_pieces(field, 1 + seed % 3, monkeypatch, resolution=70, coarse=16, project=0)
        assert mesh.faces.tobytes() == whole.faces.tobytes()
        assert mesh.vertices.tobytes() == whole.vertices.tobytes()


def test_layers_are_parted_by_memory():
    counts = np.array([0, 10, 20, 30, 20, 10, 0])
    room = stream.KEPT * counts.sum() + stream.PER_BRICK * 75
    parts = stream.partition(counts, int(room))
    assert [k for part in parts for k in part] == list(range(7))
    for part in parts:
        assert counts[max(part.start - 1, 0) : part.stop + 1].sum() <= 75
    assert len(stream.partition(counts, 10**9)) == 1
    with pytest.raises(InputError, match="too little"):
        stream.partition(counts, stream.PER_BRICK * 50)


def test_a_streamed_file_is_the_file_of_the_whole_mesh(tmp_path):
    def colour(p):
        return (p + 0.5).clamp(0, 1)

    mesh = extract_mesh(gyroid, BOX, resolution=64, normals=None, colour=colour)
    write_mesh(tmp_path / "whole.ply", mesh)
    with ply_stream(tmp_path / "pieces.ply", double=False) as ply:
        for piece in stream.stream_mesh(gyroid, BOX, resolution=64, memory=4 * 10**9, colour=colour):
            ply.add(piece.vertices, piece.faces, piece.colours)
    assert (tmp_path / "pieces.ply").read_bytes() == (tmp_path / "whole.ply").read_bytes()
    assert len(os.listdir(tmp_path)) == 2


def test_no_surface_leaves_no_file(tmp_path):
    def write():
        with ply_stream(tmp_path / "mesh.ply", double=False) as ply:
            for piece in stream.stream_mesh(lambda p: p[:, 0] - 9, BOX, resolution=64, memory=4 * 10**9):
                ply.add(piece.vertices, piece.faces)

    with pytest.raises(InputError, match="never crosses zero"):
        write()
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize(
    ("text", "size"), [("2GB", 2e9), ("1.5 gb", 1.5e9), ("800MB", 8e8), ("2e9", 2e9), ("1GiB", 2**30)]
)
def test_sizes(text, size):
    assert stream.bytes_of(text) == size


@pytest.mark.parametrize("text", ["", "much", "-2GB", "0", "2", "2 XB", "1.2.3GB"])
def test_no_sizes(text):
    with pytest.raises(InputError, match="is not a size"):
        stream.bytes_of(text)


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read as Linux tells it")
@pytest.mark.parametrize(
    ("resolution", "megabytes"), [(512, 700), pytest.param(2048, 2000, marks=pytest.mark.slow)]
)
def test_memory_stays_below_what_was_given(resolution, megabytes):
    """Sides of a cube across x lie in one layer: the worst case. Unparted, it takes more."""
    script = f"""
        import torch
        from isofield.extract.stream import stream_mesh
        from isofield.geometry import Box
        torch.set_num_threads(1)
        field = lambda p: 0.4 - p.abs().amax(dim=1)
        pieces = faces = 0
        for piece in stream_mesh(field, Box.cube(1.0), resolution={resolution}, memory={megabytes} * 10**6):
            pieces, faces = pieces + 1, faces + len(piece.faces)
        peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
        print(pieces, faces, 1024 * int(peak.split()[1]))
    """
    answer = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=True
    )
    pieces, faces, peak = map(int, answer.stdout.split())
    assert pieces > 1
    assert faces > 7 * resolution**2
    assert peak < megabytes * 10**6
