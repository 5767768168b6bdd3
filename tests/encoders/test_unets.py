"""U-Nets: shapes, skips and the official initialisation."""

import pytest
import torch
from torch import nn

from isofield.encoders.unet2d import UNet2d
from isofield.encoders.unet3d import UNet3d


@pytest.mark.parametrize("merge", ["concat", "add"])
@pytest.mark.parametrize("upsampling", ["transpose", "upsample"])
def test_planes_keep_their_size(merge, upsampling):
    unet = UNet2d(5, depth=3, width=4, merge=merge, upsampling=upsampling)
    assert unet(torch.rand(2, 5, 12, 20)).shape == (2, 5, 12, 20)


@pytest.mark.parametrize("size", [8, 9, 11])
def test_grids_of_any_size(size):
    assert UNet3d(4, levels=3, width=8)(torch.rand(1, 4, size, size, size)).shape == (1, 4, size, size, size)


def test_initialisation_of_planes():
    torch.manual_seed(0)
    unet = UNet2d(32, depth=4, width=32)
    for name, module in unet.named_modules():
        if isinstance(module, nn.Conv2d):
            assert module.bias.eq(0).all(), name
            fan = module.weight[0].numel() + module.weight[:, 0].numel()
            assert module.weight.std().item() == pytest.approx((2 / fan) ** 0.5, rel=0.1)
        if isinstance(module, nn.ConvTranspose2d):  # torch's default: uniform, with bias
            assert module.bias.ne(0).any()
            assert module.weight.abs().max() <= 1 / module.weight[0].numel() ** 0.5 + 1e-6


def test_a_voxel_sees_its_receptive_field():
    torch.manual_seed(0)
    unet = UNet3d(8, levels=2, width=8).double()
    for module in unet.modules():  # group norm sees everything: take it out of the way
        if isinstance(module, nn.GroupNorm):
            module.forward = lambda x: x
    x = torch.rand(1, 8, 32, 32, 32, dtype=torch.float64, requires_grad=True)
    unet(x)[0, :, 16, 16, 16].sum().backward()
    seen = x.grad.abs().amax((0, 1, 3, 4)).nonzero().flatten()
    assert 2 ** (2 + 2) // 2 < seen.max() - seen.min() + 1 <= 2 ** (2 + 2) + 2


def test_channels_last_grids_are_exact():
    torch.manual_seed(0)
    unet = UNet3d(32, levels=2, width=32)
    x = torch.rand(2, 32, 16, 16, 16) * (torch.rand(2, 1, 16, 16, 16) < 0.05)
    with torch.no_grad():
        exact = unet.double()(x.double()).float()
        found = unet.float()(x.to(memory_format=torch.channels_last_3d))
    torch.testing.assert_close(found, exact, atol=1e-5, rtol=1e-5)
