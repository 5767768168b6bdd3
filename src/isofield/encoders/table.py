"""Object number -> code: one learned vector per object of the training set."""

import torch
from jaxtyping import Int
from torch import Tensor, nn

from isofield.condition import Code
from isofield.errors import InputError


class CodeTable(nn.Module):
    """A free code per object: what a field can represent at all, without an encoder in between.

    Args:
        objects: How many.
        code: Channels.
        bound: Largest length of a code, to which longer ones are scaled whenever they are asked for.
        std: Of the channels at the start.
    """

    def __init__(self, objects: int, code: int, bound: float | None = None, std: float = 1.0) -> None:
        super().__init__()
        self.codes = nn.Embedding(objects, code, max_norm=bound)
        with torch.no_grad():
            self.codes.weight.mul_(std)

    def forward(self, item: Int[Tensor, " b"]) -> Code:
        return Code(self.codes(item))

    def of(self, number: int) -> Code:
        """The code of one object; raises InputError if there are not so many."""
        if not 0 <= number < self.codes.num_embeddings:
            raise InputError(
                f"there is no object {number}; {self.codes.num_embeddings} were learnt, from 0 on"
            )
        return Code(self.codes.weight.detach()[number : number + 1])
