"""Reductions of many layers' tensors by few calls."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Generic, TypeVar

import torch
from torch import Tensor

from acorn.proxies._network.operations import Kept

Item = TypeVar("Item")
Key = TypeVar("Key", bound=Hashable)

LIMIT = 2**24
"""Bytes of tensors that wait for their reduction, at most: activations of a small network fit a
few times, and a large network does not keep all of its own."""

_NOTHING = torch.empty(0)


class Deferred(Generic[Item]):
    """Collects items that hold tensors, and reduces several together.

    Parameters
    ----------
    reduce : callable
        Reduces a list of items.
    limit : int, default=LIMIT
        Bytes of memory that the items may hold before they are reduced.
    """

    def __init__(self, reduce: Callable[[list[Item]], None], limit: int = LIMIT) -> None:
        self._reduce = reduce
        self._limit = limit
        self._items: list[Item] = []
        self._bytes = 0

    def add(self, item: Item, tensor: Tensor) -> None:
        """Add an item that holds the memory of a tensor."""
        self._items.append(item)
        self._bytes += tensor.untyped_storage().nbytes()
        if self._bytes >= self._limit:
            self.reduce()

    def reduce(self) -> None:
        """Reduce all items that were added since the last reduction."""
        items, self._items, self._bytes = self._items, [], 0
        if items:
            self._reduce(items)


def taken(kept: Kept) -> Tensor:
    """Give the tensor that was kept, and free its memory for the network that is watched."""
    tensor, kept.tensor = kept.tensor, _NOTHING
    return tensor


def grouped(keys: Iterable[Key]) -> dict[Key, list[int]]:
    """Positions of each key, in the order of the first positions."""
    positions: dict[Key, list[int]] = defaultdict(list)
    for position, key in enumerate(keys):
        positions[key].append(position)
    return positions


def on_device(values: Sequence[object], device: torch.device, dtype: torch.dtype) -> Tensor:
    """Make a tensor of Python numbers without waiting for the device."""
    return torch.tensor(values, dtype=dtype).to(device, non_blocking=True)
