"""Devices on which networks are measured and trained."""

import torch

from acorn.errors import InputError, abbreviate


def find_device(name: str = "auto", *, index: int = 0) -> torch.device:
    """Find a device of this machine.

    Parameters
    ----------
    name : str, default="auto"
        ``"auto"`` is CUDA if there is a device, else the CPU; ``"cuda"`` is one of the CUDA
        devices; any other name is a torch device, such as ``"cpu"`` or ``"cuda:1"``.
    index : int, default=0
        Number of the worker process: of n CUDA devices, ``"auto"`` and ``"cuda"`` take number
        ``index`` modulo n.

    Returns
    -------
    torch.device

    Raises
    ------
    InputError
        If this machine has no such device.
    """
    count = torch.cuda.device_count() if name in ("auto", "cuda") else 0
    if count:
        name = f"cuda:{index % count}"
    try:
        device = torch.device("cpu" if name == "auto" else name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise InputError(
            f"got device {abbreviate(name)}; expected auto or a torch device of this machine"
        ) from error
    return device
