"""Which arithmetic a device is fast in."""

import torch


def has_bf16(device: torch.device) -> bool:
    """Whether the device computes in bfloat16; where it does not, it is imitated, a hundred times slower.

    On processors that takes AVX-512 with its bfloat16 extension, or AMX.
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return True
