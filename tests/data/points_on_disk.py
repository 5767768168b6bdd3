"""Small files of points, written by the plainest means, to compare our readers with."""

import struct

import numpy as np

PLY_NAMES = {"f4": "float", "f8": "double", "u1": "uchar", "i4": "int", "i2": "short"}


def ply_bytes(columns: dict[str, np.ndarray], form: str, extra: str = "", faces=()) -> bytes:
    """A PLY file of vertex columns (numpy types give the PLY types) and polygons."""
    count = len(next(iter(columns.values())))
    lines = ["ply", f"format {form} 1.0", "comment made for a test", f"element vertex {count}"]
    lines += [f"property {PLY_NAMES[c.dtype.str[1:]]} {name}" for name, c in columns.items()]
    if len(faces):
        lines += [f"element face {len(faces)}", "property list uchar int vertex_indices"]
    head = "\n".join([*lines, *([extra] if extra else []), "end_header"]).encode() + b"\n"
    if form == "ascii":
        rows = [" ".join(repr(c[i].item()) for c in columns.values()) for i in range(count)]
        rows += [" ".join(map(str, [len(face), *face])) for face in faces]
        return head + "\n".join(rows).encode() + b"\n"
    order = "<" if "little" in form else ">"
    body = bytearray()
    for i in range(count):
        for column in columns.values():
            body += np.array(column[i]).astype(column.dtype.newbyteorder(order)).tobytes()
    for face in faces:
        body += struct.pack(f"{order}B{len(face)}i", len(face), *face)
    return head + bytes(body)


def pcd_bytes(columns: dict[str, np.ndarray], data: str, width=None, height=1, view="0 0 0") -> bytes:
    """A PCD file of columns of 4-byte numbers."""
    count = len(next(iter(columns.values())))
    kinds = {"f": "F", "u": "U", "i": "I"}
    head = "\n".join(
        [
            "# .PCD v0.7 - Point Cloud Data file format",
            "VERSION 0.7",
            "FIELDS " + " ".join(columns),
            "SIZE " + " ".join(str(c.dtype.itemsize) for c in columns.values()),
            "TYPE " + " ".join(kinds[c.dtype.kind] for c in columns.values()),
            "COUNT " + " ".join("1" for _ in columns),
            f"WIDTH {count if width is None else width}",
            f"HEIGHT {height}",
            f"VIEWPOINT {view} 1 0 0 0",
            f"POINTS {count}",
            f"DATA {data}",
            "",
        ]
    ).encode()
    if data == "ascii":
        rows = [" ".join(repr(c[i].item()) for c in columns.values()) for i in range(count)]
        return head + "\n".join(rows).encode() + b"\n"
    if data == "binary":
        return head + b"".join(c[i].tobytes() for i in range(count) for c in columns.values())
    raw = b"".join(c.tobytes() for c in columns.values())
    packed = lzf_bytes(raw)
    return head + struct.pack("<II", len(packed), len(raw)) + packed


def lzf_bytes(raw: bytes) -> bytes:
    """LZF by greedy search for the longest match within reach: slow, short, and uses every kind of code."""
    out, literals, at = bytearray(), bytearray(), 0

    def flush() -> None:
        for start in range(0, len(literals), 32):
            part = literals[start : start + 32]
            out.append(len(part) - 1)
            out.extend(part)
        literals.clear()

    while at < len(raw):
        length, distance = 0, 0
        for back in range(1, min(at, 8192) + 1 if at else 0):
            if raw[at - back] != raw[at]:
                continue
            n = 0
            while n < 264 and at + n < len(raw) and raw[at + n] == raw[at - back + n]:
                n += 1
            if n > length:
                length, distance = n, back
        if length < 3:
            literals.append(raw[at])
            at += 1
            continue
        flush()
        high, low = divmod(distance - 1, 256)
        out.extend([length - 2 << 5 | high, low] if length <= 8 else [7 << 5 | high, length - 9, low])
        at += length
    flush()
    return bytes(out)
