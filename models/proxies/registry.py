"""Which proxies there are, and which passes each of them reads."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from models.errors import UnknownProxyError

if TYPE_CHECKING:
    from torch import Tensor

    from models.proxies.passes.layers import WeightedLayer
    from models.proxies.records import Records


class Pass(StrEnum):
    """One traversal of the network; the engine runs each at most once, in this order."""

    STATIC = "static"  # no data: parameters and shapes only
    LOSS = "loss"  # forward and backward of the cross-entropy on the batch
    JACOBIAN = "jacobian"  # backward of the summed logits, from the forward of LOSS
    HESSIAN = "hessian"  # backward through the backward of LOSS
    SYNFLOW = "synflow"  # forward and backward on ones, |weights|, no BatchNorm, batch of one
    NOISE = "noise"  # two forwards on Gaussian noise


class Observer:
    """Watches LOSS go by, layer by layer, so that no activation has to be kept.

    A proxy that needs activations subclasses this; the engine makes a new one for every network.
    """

    def on_activation(self, output: "Tensor") -> None:
        """See a rectifier's output ``(batch, ...)`` in the forward."""

    def on_gradient(self, layer: "WeightedLayer", output: "Tensor", gradient: "Tensor") -> None:
        """See a convolution's or linear layer's output and its loss gradient in the backward."""

    def value(self, records: "Records") -> "Tensor | float":
        """Give the proxy's value, once the passes are done."""
        raise NotImplementedError


Value = Callable[["Records"], "Tensor | float"]


@dataclass(frozen=True, slots=True)
class Proxy:
    """A registered proxy: its column name, the passes that it reads, and how to compute it.

    ``definition`` is a function of the records, or an :class:`Observer` class.
    """

    name: str
    reads: tuple[Pass, ...]
    definition: Value | type[Observer]

    @property
    def summary(self) -> str:
        """First line of the definition's documentation."""
        return (self.definition.__doc__ or "").partition("\n")[0]


_REGISTRY: dict[str, Proxy] = {}


def proxy(
    name: str, *, reads: Pass | tuple[Pass, ...]
) -> Callable[[Value | type[Observer]], Value | type[Observer]]:
    """Register a function of the records, or an :class:`Observer` class, under ``name``."""

    def register(definition: Value | type[Observer]) -> Value | type[Observer]:
        if name in _REGISTRY:
            raise ValueError(f"proxy {name!r} is registered twice")
        passes = (reads,) if isinstance(reads, Pass) else reads
        _REGISTRY[name] = Proxy(name, passes, definition)
        return definition

    return register


def list_proxies(pattern: str = "*") -> list[str]:
    """Names of the registered proxies that match a shell pattern, sorted."""
    return sorted(name for name in _REGISTRY if fnmatchcase(name, pattern))


def select(names: str | Iterable[str] = "all") -> Sequence[Proxy]:
    """Look up proxies by name, in a fixed order; ``"all"`` is every one.

    Raises
    ------
    UnknownProxyError
        For a name that is not registered.
    """
    wanted = (
        list_proxies()
        if names == "all"
        else sorted({*([names] if isinstance(names, str) else names)})
    )
    for name in wanted:
        if name not in _REGISTRY:
            raise UnknownProxyError(name, _REGISTRY)
    return [_REGISTRY[name] for name in wanted]
