"""Residual blocks on rows."""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import relu


class ResnetBlock(nn.Module):
    """shortcut(x) + outer(relu(inner(relu(x)))), the fully connected block of Occupancy Networks.

    The shortcut is the identity where widths agree, else linear without bias. `outer` starts
    at zero, so a fresh block is its shortcut.
    """

    def __init__(self, inputs: int, outputs: int | None = None) -> None:
        super().__init__()
        outputs = inputs if outputs is None else outputs
        hidden = min(inputs, outputs)
        self.inner = nn.Linear(inputs, hidden)
        self.outer = nn.Linear(hidden, outputs)
        self.shortcut = nn.Identity() if inputs == outputs else nn.Linear(inputs, outputs, bias=False)
        nn.init.zeros_(self.outer.weight)

    def forward(self, x: Float[Tensor, "*rows i"]) -> Float[Tensor, "*rows o"]:
        return self.shortcut(x) + self.outer(relu(self.inner(relu(x))))
