"""LZF, the compression of binary_compressed PCD files (LibLZF's format)."""

from isofield.errors import InputError


def decompress(data: bytes, size: int, source: object) -> bytearray:
    """The `size` bytes that were compressed.

    A control byte below 32 announces that many literal bytes and one more; otherwise its upper three
    bits give the length of a copy (7: add the next byte), its lower five and the next byte
    how far back the copy starts.

    Raises:
        InputError: The data is damaged.
    """
    out = bytearray()
    at, end = 0, len(data)
    try:
        while at < end:
            control = data[at]
            at += 1
            if control < 32:
                out += data[at : at + control + 1]
                at += control + 1
                continue
            length = (control >> 5) + 2
            if length == 9:
                length += data[at]
                at += 1
            start = len(out) - ((control & 31) << 8) - data[at] - 1
            at += 1
            if start < 0:
                raise IndexError
            distance = len(out) - start
            if distance >= length:
                out += out[start : start + length]
            else:  # the copy reads what it writes: a repeating pattern
                pattern = out[start:]
                out += (pattern * (length // distance + 1))[:length]
    except IndexError:
        out = bytearray()
    if len(out) != size:
        raise InputError(
            f"{source} is damaged: its compressed data does not unpack; copy or export it again."
        )
    return out
