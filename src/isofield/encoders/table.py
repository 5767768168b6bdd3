"""Object number -> code: one learned vector per object of the training set."""

from jaxtyping import Int
from torch import Tensor, nn

from isofield.condition import Code


class CodeTable(nn.Module):
    """A free code per object: what a field can represent at all, without an encoder in between."""

    def __init__(self, objects: int, code: int) -> None:
        super().__init__()
        self.codes = nn.Embedding(objects, code)

    def forward(self, item: Int[Tensor, " b"]) -> Code:
        return Code(self.codes(item))
