"""The encoder of pictures; its agreement with torchvision's layers is tested with the goldens."""

import torch

from isofield.encoders.image import ImageCode


def test_dropout_is_of_training_alone_and_adds_no_weights() -> None:
    torch.manual_seed(0)
    plain, dropping = ImageCode(4, 8), ImageCode(4, 8, dropout=0.5)
    dropping.load_state_dict(plain.state_dict())
    images = torch.rand(2, 32, 32, 3)
    assert torch.equal(plain.eval()(images).vector, dropping.eval()(images).vector)
    dropping.train()
    assert not torch.equal(dropping(images).vector, dropping(images).vector)


def test_strided_shortcuts_see_channels_first() -> None:
    """Channels that vary fastest corrupt the heap in oneDNN's gradient where they are few."""
    torch.manual_seed(0)
    network, seen = ImageCode(4, 4), []
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d) and module.kernel_size == (1, 1):
            module.register_forward_pre_hook(lambda _, given: seen.append(given[0].is_contiguous()))
    network(torch.rand(2, 32, 32, 3)).vector.sum().backward()
    assert seen == [True] * 3
