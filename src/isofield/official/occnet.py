"""The `.occnet` files of google/ldif: the local network of an LDIF, little-endian.

    int32 blocks, int32 width, then float32:
    lift; per block: norm, layer, norm, layer; last norm; output

A layer is its matrix, inputs first, and its bias; a norm is the layers beta and gamma of the code, the mean
and the variance. Codes have as many channels as the network.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from isofield.errors import InputError
from isofield.fields.elements import LocalBlock, LocalDecoder, ScalarNorm

HEAD = 8
MOST = 4096
"""Blocks or channels beyond which a header is none."""


def decoder_from_occnet(content: bytes, path: Path) -> LocalDecoder:
    """The network in the file, in evaluation mode; `path` names it in errors.

    Raises:
        InputError: The file is damaged.
    """
    head = np.frombuffer(content[:HEAD], "<i4") if len(content) >= HEAD else np.zeros(2, np.int32)
    blocks, width = (int(number) for number in head)
    if not 0 <= blocks <= MOST or not 1 <= width <= MOST:
        raise InputError(f"{path} is damaged: it doesn't begin with the numbers of blocks and channels")
    floats = (len(content) - HEAD) / 4
    if floats != (wanted := _size(blocks, width)):
        raise InputError(
            f"{path} is damaged: {blocks} blocks of {width} channels have {wanted:,} numbers, not {floats:,g}"
        )
    values = torch.from_numpy(np.frombuffer(content[HEAD:], "<f4").astype(np.float32))
    decoder, start = LocalDecoder(width, width, blocks).eval(), 0
    for tensor, transposed in _in_order(decoder):
        part = values[start : start + tensor.numel()]
        tensor.data.copy_(part.view(tensor.shape[::-1]).T if transposed else part.view(tensor.shape))
        start += tensor.numel()
    return decoder


def occnet_from_decoder(decoder: LocalDecoder) -> bytes:
    """The file of a network.

    Raises:
        InputError: Its codes have other channels than itself, for which there is no room.
    """
    codes, width = decoder.norm.gamma.in_features, decoder.lift.out_features
    if codes != width:
        raise InputError(f"occnet files hold networks with codes of their own width, not {codes} for {width}")
    parts = [(t.T if transposed else t).detach().cpu().numpy() for t, transposed in _in_order(decoder)]
    numbers = np.concatenate([part.astype("<f4").ravel() for part in parts])
    return np.array([len(decoder.blocks), width], "<i4").tobytes() + numbers.tobytes()


def _size(blocks: int, width: int) -> int:
    layer = width * width + width
    norm = 2 * layer + 2
    return 4 * width + blocks * 2 * (norm + layer) + norm + width + 1


def _in_order(decoder: LocalDecoder) -> Iterator[tuple[Tensor, bool]]:
    """The tensors in the order of the file, and which of them it has the other way round."""
    yield from _linear(decoder.lift)
    for block in decoder.blocks:
        assert isinstance(block, LocalBlock)
        yield from _norm(block.before)
        yield from _linear(block.inner)
        yield from _norm(block.between)
        yield from _linear(block.outer)
    yield from _norm(decoder.norm)
    yield from _linear(decoder.out)


def _linear(layer: nn.Linear) -> Iterator[tuple[Tensor, bool]]:
    yield layer.weight, True
    yield layer.bias, False


def _norm(norm: ScalarNorm) -> Iterator[tuple[Tensor, bool]]:
    yield from _linear(norm.beta)
    yield from _linear(norm.gamma)
    yield norm.mean, False
    yield norm.variance, False
