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
