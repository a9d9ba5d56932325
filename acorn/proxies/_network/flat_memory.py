"""Many tensors that lie side by side in one, so that one call copies or moves them."""

from collections import defaultdict
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from acorn.errors import InputError

ALIGNED = 16
"""Values between which a tensor begins in a longer one: a line of the cache."""


def flat_memory(tensors: Sequence[Tensor], device: torch.device) -> tuple[Tensor, list[Tensor]]:
    """Allocate tensors of the shapes and the precision of others, side by side.

    Parameters
    ----------
    tensors : sequence of Tensor
        At least one; all of the precision of the first.
    device : torch.device
        Where the memory is.

    Returns
    -------
    tuple of Tensor (values,) and list of Tensor
        The memory, and its parts, in the order of ``tensors``.
    """
    memory = torch.empty(sum(map(_length, tensors)), dtype=tensors[0].dtype, device=device)
    return memory, parts_of(memory, tensors)


def parts_of(memory: Tensor, tensors: Sequence[Tensor]) -> list[Tensor]:
    """Cut memory that :func:`flat_memory` made, or a copy of it, into its parts."""
    parts = memory.split([_length(tensor) for tensor in tensors])
    return [
        part[: tensor.numel()].view(tensor.shape)
        for part, tensor in zip(parts, tensors, strict=True)
    ]


def _length(tensor: Tensor) -> int:
    return -(-tensor.numel() // ALIGNED) * ALIGNED


class TensorCopies:
    """Copies a network's tensors to a device, those of one precision together.

    Parameters
    ----------
    network : torch.nn.Module
        The user's.
    device : torch.device or None
        Where the copies are; by default where the originals are.
    """

    def __init__(self, network: nn.Module, device: torch.device | None) -> None:
        self._device = device
        self._copies: dict[int, Tensor] = {}  # by identity of the original
        self._sizes: dict[int, float] = {}  # by address of the copy
        groups: dict[tuple[torch.dtype, torch.device], dict[int, Tensor]] = defaultdict(dict)
        for tensor in (*network.parameters(), *network.buffers()):
            dense = tensor.layout is torch.strided and not (tensor.is_meta or tensor.is_quantized)
            if dense and not is_lazy(tensor):
                groups[tensor.dtype, tensor.device][id(tensor)] = tensor.detach()
        for group in groups.values():
            self._copy(group)

    def _copy(self, originals: dict[int, Tensor]) -> None:
        tensors = [*originals.values()]
        memory, parts = flat_memory(tensors, tensors[0].device)
        torch._foreach_copy_(parts, tensors)
        sums: list[float] = []
        if memory.dtype is torch.float32:
            sums = torch.stack(torch._foreach_norm(parts, 1)).cpu().numpy().tolist()
        if self._device is not None:
            parts = parts_of(memory.to(self._device), tensors)
        for key, part in zip(originals, parts, strict=True):
            # Without its own count of versions, a write to one would be one to all.
            self._copies[key] = part.data
        for part, total in zip(parts, sums, strict=False):
            if part.numel():
                self._sizes[part.data_ptr()] = total / (len(part) if part.dim() else 1)

    def __call__(self, tensor: Tensor) -> Tensor:
        """Give the copy of a tensor: of a parameter or buffer the one that was made before."""
        if id(tensor) in self._copies:
            return self._copies[id(tensor)]
        if tensor.is_meta:
            raise InputError(
                "got a module on the meta device, which has no values; expected one with weights, "
                "such as module.to_empty(device='cpu') and a draw of its weights"
            )
        place = tensor.device if self._device is None else self._device
        return tensor.detach().to(place, copy=True, memory_format=torch.contiguous_format)

    def sizes_of(self, replica: nn.Module) -> dict[int, float]:
        """Give the sum of absolute values of a row, on average, by identity of a parameter.

        Of parameters in single precision that have their values from the original.
        """
        return {
            id(parameter): self._sizes[parameter.data_ptr()]
            for parameter in replica.parameters()
            if parameter.data_ptr() in self._sizes
        }
