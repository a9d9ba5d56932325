"""Replicas of networks, with the same structure and state, and no state shared with the original.

Acorn changes and runs only replicas. A forward of the user may count its calls, fill a cache on
first use, or keep a tensor in the precision of the call: these changes stay in the replica.

:func:`copy.deepcopy` is not sufficient: it refuses tensors that were computed, it does not copy
closures (a hook or a patched ``forward`` would use the state of the original), and it cannot
convert tensors.
"""

import collections
import copy
import functools
import types
import weakref
from collections.abc import Callable, Iterable
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.nn.utils import parametrize, prune
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

from acorn.errors import InputError

TensorCopy = Callable[[Tensor], Tensor]
"""Returns the tensor of the replica for a tensor of the original, detached from it."""

_ATOMS = (
    type(None), bool, int, float, complex, str, bytes, type, range, types.BuiltinFunctionType,
    types.ModuleType, torch.dtype, torch.device, torch.memory_format, torch.Size,
)  # fmt: skip
_SHARED = (
    np.ndarray, torch.optim.Optimizer, torch.utils.data.Dataset, torch.utils.data.DataLoader,
)  # fmt: skip
"""Objects that a hook may refer to; they do not belong to the network, and may be large."""

_CONTAINERS = (list, set, collections.deque)
_WRAPPERS = (nn.DataParallel, nn.parallel.DistributedDataParallel)


def replicate(network: nn.Module, tensors: TensorCopy | None = None) -> nn.Module:
    """Copy a network, its Python attributes and its hooks.

    Wrappers that do not change what a network computes are removed at any depth: ``torch.compile``,
    ``DataParallel`` and ``DistributedDataParallel``. Weights that are computed by a
    parametrization, by the older weight and spectral normalisation, or by pruning, become
    parameters with the value that they have.

    Parameters
    ----------
    network : torch.nn.Module
        It is not changed.
    tensors : callable, optional
        Returns the copy of each parameter, buffer and other tensor, without its graph. By default a
        contiguous clone: results do not depend on the memory layout that weights have.

    Returns
    -------
    torch.nn.Module
        Shares no module, container, closure or tensor with the original. Parameters carry no
        gradient. What cannot be copied (a lock, an open file) is shared.

    Raises
    ------
    InputError
        For a TorchScript module, a quantised one, and parameters that get their shape in a first
        run, which has not taken place.
    """
    _refuse(network)
    replica = _Copier(tensors or contiguous_clone)(network)
    _own_weights(replica)
    return cast(nn.Module, replica)


def contiguous_clone(tensor: Tensor) -> Tensor:
    """Clone a tensor in row-major order.

    Parameters
    ----------
    tensor : torch.Tensor
        Any tensor.

    Returns
    -------
    torch.Tensor
        The clone, without a gradient graph.
    """
    return tensor.detach().clone(memory_format=torch.contiguous_format)


def unwrapped(module: nn.Module) -> nn.Module:
    """Remove the wrappers ``torch.compile``, ``DataParallel`` and ``DistributedDataParallel``.

    Parameters
    ----------
    module : torch.nn.Module
        A module, wrapped any number of times.

    Returns
    -------
    torch.nn.Module
        The module inside.
    """
    while True:
        if isinstance(module, _WRAPPERS):
            module = module.module
        elif "_orig_mod" in module._modules:  # torch.compile's OptimizedModule
            module = cast(nn.Module, module._modules["_orig_mod"])
        else:
            return module


class _Copier:
    """Copies objects, each once."""

    def __init__(self, tensors: TensorCopy) -> None:
        self._tensors = tensors
        self._copies: dict[int, Any] = {}
        self._originals: list[object] = []  # kept alive, so that no id is used twice

    def __call__(self, value: Any) -> Any:
        """Return the copy of a value; the same copy for the same value."""
        if isinstance(value, (*_ATOMS, *_SHARED)):
            return value
        if id(value) in self._copies:
            return self._copies[id(value)]
        if isinstance(value, Tensor):
            return self._noted(value, self._tensor(value))
        if isinstance(value, nn.Module):
            return self._module(value)
        if isinstance(value, dict):
            return self._dict(value)
        if isinstance(value, _CONTAINERS):
            return self._container(value)
        if isinstance(value, tuple):
            return self._tuple(value)
        if isinstance(value, types.MethodType):
            return types.MethodType(value.__func__, self(value.__self__))
        if isinstance(value, types.FunctionType):
            return self._function(value)
        if isinstance(value, functools.partial):
            return functools.partial(
                self(value.func), *map(self, value.args), **self(value.keywords)
            )
        if isinstance(value, weakref.ReferenceType):
            return weakref.ref(self(value())) if value() is not None else value
        if isinstance(value, torch.Generator):
            return self._noted(value, value.clone_state())
        return self._other(value)

    def _noted(self, original: object, duplicate: Any) -> Any:
        self._copies[id(original)] = duplicate
        self._originals.append(original)
        return duplicate

    def _tensor(self, tensor: Tensor) -> Tensor:
        duplicate = self._tensors(tensor)
        if isinstance(tensor, nn.Parameter):
            return nn.Parameter(duplicate, tensor.requires_grad and duplicate.is_floating_point())
        return duplicate.requires_grad_(tensor.requires_grad and tensor.is_leaf)

    def _module(self, module: nn.Module) -> nn.Module:
        inner = unwrapped(module)
        if inner is not module:
            return cast(nn.Module, self._noted(module, self(inner)))
        duplicate = self._noted(module, object.__new__(type(module)))
        for name, value in vars(module).items():
            duplicate.__dict__[name] = self(value)
        # Module.compile() compiles in place.
        duplicate.__dict__.pop("_compiled_call_impl", None)
        return cast(nn.Module, duplicate)

    def _dict(self, value: dict[Any, Any]) -> dict[Any, Any]:
        if isinstance(value, collections.defaultdict):
            duplicate: dict[Any, Any] = collections.defaultdict(value.default_factory)
        elif type(value) in (dict, collections.OrderedDict):
            duplicate = type(value)()
        else:
            return cast(dict[Any, Any], self._other(value))
        self._noted(value, duplicate)
        for key, item in value.items():
            duplicate[self(key)] = self(item)
        return duplicate

    def _container(self, value: Any) -> Any:
        if type(value) not in _CONTAINERS:
            return self._other(value)
        duplicate = self._noted(value, copy.copy(value))
        duplicate.clear()
        (duplicate.update if isinstance(value, set) else duplicate.extend)(map(self, value))
        return duplicate

    def _tuple(self, value: tuple[Any, ...]) -> tuple[Any, ...]:
        items = [*map(self, value)]
        if all(item is original for item, original in zip(items, value, strict=True)):
            return value
        if type(value) is tuple:
            return tuple(items)
        return tuple.__new__(type(value), items)

    def _function(self, function: types.FunctionType) -> Callable[..., Any]:
        """Copy a function with a closure, defaults or attributes; others have no state."""
        compiled = getattr(function, "_torchdynamo_orig_callable", None)
        if compiled is not None:
            return cast(Callable[..., Any], self._noted(function, self(compiled)))
        if not function.__closure__ and not function.__defaults__ and not vars(function):
            return function
        cells = tuple(types.CellType() for _ in function.__closure__ or ())
        duplicate = types.FunctionType(
            function.__code__,
            function.__globals__,
            function.__name__,
            closure=cells if function.__closure__ else None,
        )
        self._noted(function, duplicate)  # before its cells: a function may refer to itself
        for cell, original in zip(cells, function.__closure__ or (), strict=True):
            try:
                cell.cell_contents = self(original.cell_contents)
            except ValueError:  # still empty
                continue
        duplicate.__defaults__ = self(function.__defaults__)
        duplicate.__kwdefaults__ = self(function.__kwdefaults__)
        duplicate.__dict__.update(self(vars(function)))
        return duplicate

    def _other(self, value: Any) -> Any:
        """Copy an object of another class; share it if it cannot be copied."""
        reducers: Any = (type(value).__reduce_ex__, type(value).__reduce__)
        plain = reducers == (object.__reduce_ex__, object.__reduce__)
        if hasattr(value, "__dict__") and plain and not hasattr(value, "__deepcopy__"):
            try:
                duplicate = self._noted(value, copy.copy(value))
                if duplicate is value:
                    return value
                for name, item in vars(value).items():
                    object.__setattr__(duplicate, name, self(item))
            except Exception:  # any object may refuse in any way
                return self._noted(value, value)
            return duplicate
        try:
            return self._noted(value, copy.deepcopy(value, dict(self._copies)))
        except Exception:  # any object may refuse in any way
            return self._noted(value, value)


def named_modules_of(network: nn.Module) -> Iterable[tuple[str, nn.Module]]:
    """List the modules of a network with names for messages.

    Parameters
    ----------
    network : torch.nn.Module
        Any module.

    Yields
    ------
    str, torch.nn.Module
        Name for messages, such as ``module "features.0"``, or ``the module`` for the network
        itself; and the module.
    """
    for name, module in network.named_modules():
        yield (f'module "{name}"' if name else "the module"), module


def _refuse(network: nn.Module) -> None:
    """Raise :class:`~acorn.errors.InputError` for modules that cannot be measured."""
    for name, module in named_modules_of(network):
        if isinstance(module, torch.jit.ScriptModule):
            raise InputError(
                f"got {name} of TorchScript ({type(module).__name__}), whose operations cannot be "
                "watched; expected the Python module that it was made of"
            )
        if ".quantized" in type(module).__module__ or any(
            buffer.is_quantized for buffer in module._buffers.values() if buffer is not None
        ):
            raise InputError(
                f"got {name} that is quantised ({type(module).__name__}); expected weights in "
                "floating point"
            )
    for name, parameter in network.named_parameters():
        if is_lazy(parameter):
            raise InputError(
                f"got a module with uninitialised parameters ({name}); "
                "expected one that was run once"
            )


def _own_weights(replica: nn.Module) -> None:
    """Replace weights that other parameters determine by parameters."""
    for module in [*replica.modules()]:
        if parametrize.is_parametrized(module):
            _remove_parametrizations(module)
        for key, hook in [*module._forward_pre_hooks.items()]:
            if isinstance(hook, WeightNorm | SpectralNorm):
                hook.remove(module)
                del module._forward_pre_hooks[key]
            elif isinstance(hook, prune.BasePruningMethod):
                prune.remove(module, hook._tensor_name)


def _remove_parametrizations(module: nn.Module) -> None:
    """Keep the values of parametrised tensors.

    The function of torch deletes properties of the class, which replica and original share.
    """
    parametrizations = cast(nn.ModuleDict, module.parametrizations)
    values = {name: getattr(module, name).detach().clone() for name in parametrizations}
    del module._modules["parametrizations"]
    module.__class__ = type(module).__bases__[0]
    for name, value in values.items():
        if any(True for _ in parametrizations[name].parameters()):
            module.register_parameter(name, nn.Parameter(value))
        else:
            module.register_buffer(name, value)
