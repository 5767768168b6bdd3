"""Compiled loops of `voxels.py`: each ray marches through the grid, nothing of the march is stored.

Numba compiles them at first use and keeps the result. The plain path in `voxel_plain.py` computes the same
with operations of torch. Every loop takes a range of rays, so that lanes can share the work.
"""

import numpy as np

from isofield.ops.compiled import compiled, inlined

f32, i32, u64 = np.float32, np.int32, np.uint64
ONE, HALF, ZERO = f32(1), f32(0.5), f32(0)
TINY = f32(1e-9)
U1, U2 = u64(1), u64(2)


@inlined
def enter(origin, direction):
    """Distances at which a ray enters and leaves [-0.5, 0.5]^3."""
    near, far = ZERO, f32(1e9)
    for axis in range(3):
        slope = direction[axis]
        if abs(slope) < TINY:
            slope = TINY
        first, second = (-HALF - origin[axis]) / slope, (HALF - origin[axis]) / slope
        near, far = max(near, min(first, second)), min(far, max(first, second))
    return near, far


@inlined
def leave_axis(origin, slope, cell, resolution):
    """Distance at which a ray leaves, along one axis, the block that the cell is in."""
    if abs(slope) < TINY:
        return f32(1e9)
    face = ((cell >> 2) + (1 if slope > 0 else 0)) << 2
    return (f32(face) / resolution - HALF - origin) / slope


@inlined
def contracted(x, y, z):
    """Place in the grid of a point of unbounded space, and how much longer a step is there.

    What lies in [-0.5, 0.5]^3 fills half of the grid along each axis, the rest of space what is around it.
    """
    m = max(abs(x), max(abs(y), abs(z))) * f32(2)
    if m <= ONE:
        return x * HALF, y * HALF, z * HALF, f32(2)
    scale = (f32(2) - ONE / m) / m * HALF
    return x * scale, y * scale, z * scale, f32(2) * m * m


@inlined
def thickness(raw, surface, sharpness):
    """Density of the raw value and its slope: softplus, or the Laplace distribution of a signed distance."""
    if surface:
        e = HALF * np.exp(-abs(raw) * sharpness)
        slope = -sharpness * sharpness * e
        if raw > ZERO:
            return sharpness * e, slope
        return sharpness * (ONE - e), slope
    e = np.exp(min(raw, f32(20)))
    return np.log(ONE + e) * sharpness, sharpness * e / (ONE + e)


@inlined
def leave(origin, direction, i, j, k, resolution):
    """Distance at which a ray leaves the block that a cell is in."""
    first = leave_axis(origin[0], direction[0], i, resolution)
    second = leave_axis(origin[1], direction[1], j, resolution)
    return min(first, min(second, leave_axis(origin[2], direction[2], k, resolution)))


@inlined
def locate(origin, direction, t, resolution, unbounded, flat, blocks):
    """Cell of a place on a ray: (0 empty block, 1 empty, 2 active; first node; shares; cell; stretch)."""
    edge = f32(resolution)
    x, y, z = origin[0] + t * direction[0], origin[1] + t * direction[1], origin[2] + t * direction[2]
    stretch = ONE
    if unbounded:
        x, y, z, stretch = contracted(x, y, z)
    top = f32(resolution - 1)
    gx, gy, gz = (x + HALF) * edge, (y + HALF) * edge, (z + HALF) * edge
    i, j, k = (
        i32(min(max(gx, ZERO), top)),
        i32(min(max(gy, ZERO), top)),
        i32(min(max(gz, ZERO), top)),
    )
    a, b, c = u64(i), u64(j), u64(k)
    n, few, side = u64(resolution), u64(resolution >> 2), u64(resolution + 1)
    kind = 2
    if blocks[((a >> U2) * few + (b >> U2)) * few + (c >> U2)] == 0:
        kind = 0
    elif flat[(a * n + b) * n + c] == 0:
        kind = 1
    node = (a * side + b) * side + c
    return kind, node, gx - f32(i), gy - f32(j), gz - f32(k), i, j, k, stretch


@inlined
def begin(origin, direction, near, far, shift, step, unbounded):
    """Where a ray's first sample lies, and where the ray ends."""
    t, last = max(near, ZERO), far
    if not unbounded:
        first, second = enter(origin, direction)
        t, last = max(t, first), min(last, second)
    return t + shift * step, last


@inlined
def seek(origin, direction, t, last, step, resolution, unbounded, flat, blocks):
    """The next sample in an active cell: (whether there is one, t, first node, shares, stretch of the step).

    Empty blocks of bounded grids are left at once, on the ray's own lattice of samples.
    """
    edge = f32(resolution)
    found, node, fx, fy, fz, stretch = False, u64(0), ZERO, ZERO, ZERO, ONE
    while t < last and not found:
        kind, node, fx, fy, fz, i, j, k, stretch = locate(
            origin, direction, t, resolution, unbounded, flat, blocks
        )
        if kind == 2:
            found = True
        elif kind == 0 and not unbounded:
            steps = np.ceil((leave(origin, direction, i, j, k, edge) - t) / step - f32(1e-3))
            t += max(ONE, steps) * step
        else:
            t += step * stretch
    return found, t, node, fx, fy, fz, stretch


@inlined
def interpolated(values, node, n1, n2, fx, fy, fz):
    """A scalar of all nodes, between the eight corners of a cell."""
    ex, ey, ez = ONE - fx, ONE - fy, ONE - fz
    low = (values[node] * ey + values[node + n1] * fy) * ex
    low += (values[node + n2] * ey + values[node + n1 + n2] * fy) * fx
    high = (values[node + U1] * ey + values[node + n1 + U1] * fy) * ex
    high += (values[node + n2 + U1] * ey + values[node + n1 + n2 + U1] * fy) * fx
    return low * ez + high * fz


@compiled
def forward(
    start, stop, origins, directions, near, far, shift, resolution, unbounded, flat, blocks, rows, raw,
    features, step, surface, sharpness, floor, end, seen, passed, depth, count,
):  # fmt: skip
    """Features, transmittance, depth and number of samples of the rays in [start, stop)."""
    side, channels = resolution + 1, features.shape[1]
    n1, n2 = u64(side), u64(side * side)
    total = np.zeros(channels, np.float32)
    for r in range(start, stop):
        origin, direction = origins[r], directions[r]
        t, last = begin(origin, direction, near[r], far[r], shift[r], step, unbounded)
        left, deep, samples = ONE, ZERO, 0
        total[:] = ZERO
        while True:
            found, t, node, fx, fy, fz, stretch = seek(
                origin, direction, t, last, step, resolution, unbounded, flat, blocks
            )
            if not found:
                break
            samples += 1
            value = interpolated(raw, node, n1, n2, fx, fy, fz)
            density, _ = thickness(value, surface, sharpness)
            kept = np.exp(-density * step)
            weight = left * (ONE - kept)
            if weight > floor:
                ra, rb, rc, rd = (
                    u64(rows[node]), u64(rows[node + n1]), u64(rows[node + n2]), u64(rows[node + n1 + n2])
                )  # fmt: skip
                ex, ey, ez = ONE - fx, ONE - fy, ONE - fz
                wa, wb, wc, wd = weight * ex * ey, weight * ex * fy, weight * fx * ey, weight * fx * fy
                for c in range(channels):
                    total[c] += (
                        wa * (ez * features[ra, c] + fz * features[ra + U1, c])
                        + wb * (ez * features[rb, c] + fz * features[rb + U1, c])
                        + wc * (ez * features[rc, c] + fz * features[rc + U1, c])
                        + wd * (ez * features[rd, c] + fz * features[rd + U1, c])
                    )
                deep += weight * t
            left *= kept
            if left < end:
                break
            t += step * stretch
        for c in range(channels):
            seen[r, c] = total[c]
        passed[r], depth[r], count[r] = left, deep, samples


@compiled
def backward(
    start, stop, origins, directions, near, far, shift, resolution, unbounded, flat, blocks, rows, raw,
    features, step, surface, sharpness, floor, end, seen, passed, depth, d_seen, d_passed, d_depth,
    d_raw, d_features, raw_touched, rows_touched,
):  # fmt: skip
    """Adds the gradients of the tables, and marks the nodes and rows that got any.

    With v the product of a sample's features with the gradient of the ray's, and W the sum of w v behind
    it, d loss / d (density * step) = T v - W - (gradient through what passes).
    """
    side, channels = resolution + 1, features.shape[1]
    n1, n2 = u64(side), u64(side * side)
    g = np.zeros(channels, np.float32)
    for r in range(start, stop):
        origin, direction = origins[r], directions[r]
        t, last = begin(origin, direction, near[r], far[r], shift[r], step, unbounded)
        left, slope = ONE, d_depth[r]
        rest = slope * depth[r] + passed[r] * d_passed[r]
        for c in range(channels):
            g[c] = d_seen[r, c]
            rest += g[c] * seen[r, c]
        while True:
            found, t, node, fx, fy, fz, stretch = seek(
                origin, direction, t, last, step, resolution, unbounded, flat, blocks
            )
            if not found:
                break
            value = interpolated(raw, node, n1, n2, fx, fy, fz)
            density, d_density = thickness(value, surface, sharpness)
            kept = np.exp(-density * step)
            weight = left * (ONE - kept)
            ex, ey, ez = ONE - fx, ONE - fy, ONE - fz
            ca, cb, cc, cd = ex * ey, ex * fy, fx * ey, fx * fy
            v = ZERO
            if weight > floor:
                ra, rb, rc, rd = (
                    u64(rows[node]), u64(rows[node + n1]), u64(rows[node + n2]), u64(rows[node + n1 + n2])
                )  # fmt: skip
                wa, wb, wc, wd = ca * ez, cb * ez, cc * ez, cd * ez
                xa, xb, xc, xd = ca * fz, cb * fz, cc * fz, cd * fz
                for c in range(channels):
                    v += g[c] * (
                        wa * features[ra, c] + xa * features[ra + U1, c]
                        + wb * features[rb, c] + xb * features[rb + U1, c]
                        + wc * features[rc, c] + xc * features[rc + U1, c]
                        + wd * features[rd, c] + xd * features[rd + U1, c]
                    )  # fmt: skip
                for c in range(channels):
                    gc = weight * g[c]
                    d_features[ra, c] += wa * gc
                    d_features[ra + U1, c] += xa * gc
                    d_features[rb, c] += wb * gc
                    d_features[rb + U1, c] += xb * gc
                    d_features[rc, c] += wc * gc
                    d_features[rc + U1, c] += xc * gc
                    d_features[rd, c] += wd * gc
                    d_features[rd + U1, c] += xd * gc
                rows_touched[ra] = rows_touched[rb] = rows_touched[rc] = rows_touched[rd] = 1
                rows_touched[ra + U1] = rows_touched[rb + U1] = 1
                rows_touched[rc + U1] = rows_touched[rd + U1] = 1
                v += slope * t
                rest -= weight * v
            left *= kept
            change = (left * v - rest) * step * d_density
            low, high = change * ez, change * fz
            d_raw[node] += ca * low
            d_raw[node + n1] += cb * low
            d_raw[node + n2] += cc * low
            d_raw[node + n1 + n2] += cd * low
            d_raw[node + U1] += ca * high
            d_raw[node + n1 + U1] += cb * high
            d_raw[node + n2 + U1] += cc * high
            d_raw[node + n1 + n2 + U1] += cd * high
            raw_touched[node] = raw_touched[node + n1] = raw_touched[node + n2] = 1
            raw_touched[node + n1 + n2] = raw_touched[node + U1] = raw_touched[node + n1 + U1] = 1
            raw_touched[node + n2 + U1] = raw_touched[node + n1 + n2 + U1] = 1
            if left < end:
                break
            t += step * stretch


@compiled
def reach(
    start, stop, origins, directions, near, far, shift, resolution, unbounded, flat, blocks, raw,
    step, surface, sharpness, end, most,
):  # fmt: skip
    """Raises `most` of each node to the largest transmittance of a ray that passes one of its cells."""
    side = resolution + 1
    n1, n2 = u64(side), u64(side * side)
    for r in range(start, stop):
        origin, direction = origins[r], directions[r]
        t, last = begin(origin, direction, near[r], far[r], shift[r], step, unbounded)
        left = ONE
        while left >= end:
            found, t, node, fx, fy, fz, stretch = seek(
                origin, direction, t, last, step, resolution, unbounded, flat, blocks
            )
            if not found:
                break
            value = interpolated(raw, node, n1, n2, fx, fy, fz)
            density, _ = thickness(value, surface, sharpness)
            left *= np.exp(-density * step)
            # the nearest corner, so that light does not leak a cell deep
            if fx > HALF:
                node += n2
            if fy > HALF:
                node += n1
            if fz > HALF:
                node += U1
            most[node] = max(most[node], left)
            t += step * stretch
