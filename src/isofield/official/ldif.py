"""Official SIF and LDIF files <-> ours: one shape each.

Read from google/ldif. NAME.txt holds the elements ("SIF", the number of elements, a zero and the length of
a code, then per element: constant, centre, deviations, roll, pitch, yaw, whether it is mirrored, code);
NAME.occnet beside it the local network that the codes are for (`official/occnet.py`). Elements are in units
of the cube of +-0.7, and mirrored along z.
"""

from dataclasses import dataclass
from math import pi

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from isofield.errors import InputError
from isofield.fields.elements import LocalDecoder
from isofield.official.lineages import Checkpoint, Choices
from isofield.official.occnet import decoder_from_occnet, occnet_from_decoder
from isofield.systems.ldif import LDIF, LDIFConfig

NUMBERS = 11
"""Of an element, besides its code."""
RADIUS = LDIFConfig.radius
"""Largest deviation that the official network gives."""


@dataclass(frozen=True)
class SifShape:
    """The numbers of a text file, float64; the elements that are mirrored come first."""

    constants: Float[np.ndarray, " e"]
    centres: Float[np.ndarray, "e 3"]
    deviations: Float[np.ndarray, "e 3"]
    angles: Float[np.ndarray, "e 3"]
    codes: Float[np.ndarray, "e c"]
    symmetric: int


def recognises(file: Checkpoint) -> bool:
    """Whether it is a text file that begins with SIF, or has the ending of a local network."""
    if file.path.suffix == ".occnet":
        return True
    if file.path.suffix != ".txt" or not file.path.is_file():
        return False
    with file.path.open("rb") as opened:
        return opened.read(4).split() == [b"SIF"]


def system_of(file: Checkpoint, choices: Choices) -> LDIF:
    """The shape of a text file and the network beside it; raises InputError if they don't go together."""
    choices.refuse("what a SIF or LDIF is stands in its files")
    path, beside = file.path.with_suffix(".txt"), file.path.with_suffix(".occnet")
    if not path.is_file():
        raise InputError(f"{beside} is a local network alone; put the text file of its shape at {path}")
    shape = parse_sif(path.read_text(encoding="utf-8", errors="replace"))
    length = shape.codes.shape[1]
    if not length:
        return ldif_from_official(shape)
    if not beside.is_file():
        raise InputError(f"its codes of {length} numbers need the network they are for; put it at {beside}")
    return ldif_from_official(shape, decoder_from_occnet(beside.read_bytes(), beside))


def describe(config: LDIFConfig) -> str:
    """Elements and local networks, in a few words."""
    kind = f"local networks of {config.blocks} x {config.width}" if config.code_size else "Gaussians alone"
    return f"one shape -> {config.elements} elements, {config.symmetric} of them mirrored, {kind}"


def assumed(config: LDIFConfig) -> str:
    """The same, with what stands in no file."""
    return f"{describe(config)}, mirrored along {config.mirror}, surface at {config.level}"


def parse_sif(text: str) -> SifShape:
    """The shape of a text file.

    Raises:
        InputError: It is no such file, or is damaged.
    """
    words = text.split()
    try:
        if len(words) < 4 or words[0] != "SIF":
            raise InputError("this is no SIF file: it doesn't begin with SIF and three numbers")
        count, version, length = (int(word) for word in words[1:4])
        numbers = np.array([float(word) for word in words[4:]])
    except ValueError as error:
        raise InputError(f"this SIF file is damaged: {error}") from None
    if version or count < 1 or length < 0:
        raise InputError(f"the second line of this SIF file is {' '.join(words[1:4])}; 32 0 32 is usual")
    if len(numbers) != count * (NUMBERS + length):
        wanted = count * (NUMBERS + length)
        raise InputError(f"{count} elements have {wanted} numbers, this SIF file has {len(numbers)}")
    if not np.isfinite(numbers).all():
        raise InputError("some numbers of this SIF file are not finite")
    rows = numbers.reshape(count, -1)
    rows = rows[np.argsort(rows[:, 10] == 0, kind="stable")]
    if (rows[:, 0] > 0).any():
        raise InputError("a constant of this SIF file is positive; all of them are zero or below")
    if (rows[:, 4:7] < 0).any():
        raise InputError("a radius of this SIF file is negative")
    flags = int((rows[:, 10] != 0).sum())
    return SifShape(rows[:, 0], rows[:, 1:4], rows[:, 4:7], rows[:, 7:10], rows[:, 11:], flags)


def sif_text(shape: SifShape) -> str:
    """The text file of a shape; nine digits, which hold a float32."""
    count, length = shape.codes.shape
    mirrored = (np.arange(count) < shape.symmetric).astype(float)[:, None]
    columns = (shape.constants[:, None], shape.centres, shape.deviations, shape.angles, mirrored, shape.codes)
    lines = [" ".join(f"{number:.9g}" for number in row) for row in np.concatenate(columns, axis=1)]
    return "\n".join(["SIF", f"{count} 0 {length}", *lines]) + "\n"


def ldif_from_official(shape: SifShape, decoder: LocalDecoder | None = None) -> LDIF:
    """A system that knows this one shape, in evaluation mode.

    Raises:
        InputError: The network is for codes of another length.
    """
    count, length = shape.codes.shape
    if decoder is not None and decoder.norm.gamma.in_features != length:
        told = decoder.norm.gamma.in_features
        raise InputError(f"its codes have {length} numbers, and the network beside it is for {told}")
    widest, most = float(shape.deviations.max()), float(np.abs(shape.angles).max())
    config = LDIFConfig(
        sees="object",
        objects=1,
        elements=count,
        symmetric=shape.symmetric,
        code_size=length,
        rotated=bool(shape.angles.any()),
        width=LDIFConfig.width if decoder is None else decoder.lift.out_features,
        blocks=LDIFConfig.blocks if decoder is None else len(decoder.blocks),
        radius=RADIUS if widest < (1 - 1e-5) * RADIUS else 1.25 * widest,
        turn=max(pi / 4, most),
        official_frame=True,
    )
    system = LDIF(config)
    assert system.table is not None
    system.table.weight.data.copy_(_activations(shape, config).flatten()[None])
    if decoder is not None:
        assert system.field.decoder is not None
        system.field.decoder.load_state_dict(decoder.state_dict())
    return system.eval()


def official_from_ldif(system: LDIF, number: int = 0) -> tuple[str, bytes | None]:
    """Text file of one of the shapes that a system knows, and the file of its local network, if any.

    Raises:
        InputError: The system reads clouds, or is none that official files have room for.
    """
    if system.table is None:
        raise InputError("a network that reads clouds is no shape; official files hold one shape each")
    if system.config.mirror != "z" and system.config.symmetric:
        raise InputError(f"official files mirror along z, this network along {system.config.mirror}")
    with torch.no_grad():
        known = system.elements(torch.tensor([number], device=system.table.weight.device))

    def array(values: Tensor) -> np.ndarray:
        return values[0].double().cpu().numpy()

    deviations = array(known.variances.sqrt())
    parts = array(known.constants), array(known.centres), deviations, array(known.angles), array(known.codes)
    decoder = system.field.decoder
    text = sif_text(SifShape(*parts, known.symmetric))
    return text, None if decoder is None else occnet_from_decoder(decoder)


def _activations(shape: SifShape, config: LDIFConfig) -> Float[Tensor, "e p"]:
    """The unbounded numbers that the elements come from."""
    share = np.maximum(shape.deviations, 1e-6) / config.radius
    radii = np.log(share / (1 - share))
    angles = [shape.angles] if config.rotated else []
    columns = (-shape.constants[:, None], 2 * shape.centres, radii, *angles, shape.codes)
    return torch.from_numpy(np.concatenate(columns, axis=1)).float()
