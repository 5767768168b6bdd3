import math

import pytest
import torch

from isofield.ops.encodings import encode, encode_rows, encoded_size


def test_input_then_per_octave_sines_of_all_channels_then_cosines():
    x = [0.3, -1.2, 2.0]
    naive = list(x)
    for k in range(4):
        naive += [math.sin(2**k * v) for v in x]
        naive += [math.cos(2**k * v) for v in x]
    found = encode(torch.tensor(x, dtype=torch.float64), 4)
    torch.testing.assert_close(found, torch.tensor(naive, dtype=torch.float64))
    assert len(found) == encoded_size(4)


@pytest.mark.parametrize("octaves", [0, 1, 4, 10])
def test_doubling_angles_gives_the_same(octaves):
    x = torch.rand(500, 3, generator=torch.Generator().manual_seed(0)) * 8 - 4
    exact = encode(x.double(), octaves)
    torch.testing.assert_close(encode_rows(x, octaves).double(), exact, atol=2e-6, rtol=0)
