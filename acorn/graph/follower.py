"""Following tensors by identity while a network runs, operation by operation."""

from abc import abstractmethod
from functools import lru_cache
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only

from acorn.graph._aten import quick_result

BLANK = frozenset(("empty", "zeros", "ones", "full"))
# These take the shape of an operand, not its values.
SHAPED = frozenset(
    """empty_like zeros_like ones_like full_like rand_like randn_like
    new_empty new_empty_strided new_zeros new_ones new_full""".split()  # noqa: SIM905
)

V = TypeVar("V")


class TensorFollower(TorchDispatchMode, Generic[V]):
    """Sees every aten operation, and keeps a value for each tensor.

    Parameters
    ----------
    on_shapes : bool
        Whether the network runs on the meta device, so that what its forward makes is there, too.
    """

    def __init__(self, *, on_shapes: bool) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._on_shapes = on_shapes
        self._values: dict[int, V] = {}
        # Tensors by the storage they share; also keeps them alive, so that no id is used twice.
        self._roots: dict[int, int] = {}
        self._shares: dict[int, list[Tensor]] = {}

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Run the operation, and give its outputs their values."""
        kwargs = kwargs or {}
        name, mutates, views = _signature(func)
        operands = tensors_of((*args, *kwargs.values()))
        metas = sum(operand.is_meta for operand in operands)
        if 0 < metas < len(operands):
            # Constants made by the forward, or held outside parameters and buffers.
            args, kwargs = tree_map_only(Tensor, _as_meta, (args, kwargs))
            return self.__torch_dispatch__(func, types, args, kwargs)
        if self._on_shapes and name in BLANK and not operands:
            # Filled in later, perhaps with computed values; other constants keep their values,
            # so that the forward may read them.
            kwargs = kwargs | {"device": "meta"}
        result = quick_result(name, args) if metas and not mutates else None
        if result is None:
            result = func(*args, **kwargs)
        outputs = tensors_of(result)
        if outputs:
            target = kwargs.get("out", args[0]) if mutates else None
            if isinstance(target, Tensor):
                self._mutate(name, args, kwargs, target)
            else:
                values = self._call(name, args, kwargs, outputs)
                root = operands[0] if views and operands and name not in SHAPED else None
                for output, value in zip(outputs, values, strict=True):
                    self._set(output, value, root)
        return result

    @abstractmethod
    def _call(
        self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], outputs: list[Tensor]
    ) -> list[V]:
        """Return the values of the new tensors that an operation makes."""

    @abstractmethod
    def _mutate(
        self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], target: Tensor
    ) -> None:
        """Change the values of all tensors that share the storage which an operation writes."""

    @abstractmethod
    def _unknown(self, tensor: Tensor) -> V:
        """Return the value of a tensor that no operation made."""

    def _get(self, tensor: Tensor) -> V:
        value = self._values.get(id(tensor))
        return self._unknown(tensor) if value is None else value

    def _set(self, tensor: Tensor, value: V, root: Tensor | None = None) -> None:
        key = id(tensor) if root is None else self._roots.get(id(root), id(root))
        if id(tensor) not in self._values:
            self._roots[id(tensor)] = key
            self._shares.setdefault(key, []).append(tensor)
        self._values[id(tensor)] = value

    def _aliases(self, tensor: Tensor) -> list[Tensor]:
        """List the tensors that share the storage of one, itself included."""
        return self._shares.get(self._roots.get(id(tensor), id(tensor)), [tensor])

    def _same_place(self, left: Tensor, right: Tensor) -> bool:
        """Whether two tensors are the same view of the same storage."""
        return (
            self._roots.get(id(left)) == self._roots.get(id(right), id(right))
            and left.storage_offset() == right.storage_offset()
            and left.shape == right.shape
            and left.stride() == right.stride()
        )


@lru_cache(maxsize=1024)  # there are some hundreds of operations in use
def _signature(func: Any) -> tuple[str, bool, bool]:
    """Name without in-place underscore, whether it writes into an operand, whether it views one."""
    schema = func._schema
    name = func.overloadpacket.__name__
    mutates = any(
        argument.alias_info is not None
        and argument.alias_info.is_write
        and (index == 0 or argument.is_out)
        for index, argument in enumerate(schema.arguments)
    )
    views = not mutates and any(output.alias_info is not None for output in schema.returns)
    return (name[:-1] if mutates and name.endswith("_") else name), mutates, views


def tensors_of(tree: object) -> list[Tensor]:
    """List the tensors among an operation's operands or results.

    Parameters
    ----------
    tree : object
        A tensor, or any nesting of lists and tuples.

    Returns
    -------
    list of Tensor
    """
    if isinstance(tree, Tensor):
        return [tree]
    if not isinstance(tree, list | tuple):
        return []
    return [tensor for item in tree for tensor in tensors_of(item)]


def _as_meta(tensor: Tensor) -> Tensor:
    """Return a tensor of the same shape on the meta device."""
    return tensor if tensor.is_meta else torch.empty_like(tensor, device="meta")
