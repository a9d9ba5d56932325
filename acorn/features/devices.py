"""Where networks are trained and measured."""

import torch

from acorn.errors import InputError, abbreviate
from acorn.features.extractor import resolve_device


def find_device(name: str) -> torch.device:
    """Find a device, ``auto`` being CUDA where there is one.

    Raises
    ------
    InputError
        For a device that there is not.
    """
    try:
        device = torch.device(resolve_device(name))
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise InputError(
            f"got device {abbreviate(name)}; expected auto or a torch device of this machine"
        ) from error
    return device
