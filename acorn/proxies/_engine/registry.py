"""Which proxies there are, and which passes each of them reads."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from acorn.errors import UnknownProxyError

if TYPE_CHECKING:
    from torch import Tensor

    from acorn.proxies._engine.records import Records
    from acorn.proxies._network.operations import Operation


class Pass(StrEnum):
    """One traversal of the network; the engine runs each at most once, in this order."""

    STATIC = "static"  # no data: parameters only
    SURVEY = "survey"  # forward of one image in evaluation mode, to see what runs
    GRAPH = "graph"  # the layer graph, from the forward of SURVEY
    LOSS = "loss"  # forward and backward of the cross-entropy on the batch
    JACOBIAN = "jacobian"  # backward of the summed logits, from the forward of LOSS
    HESSIAN = "hessian"  # backward through the backward of LOSS
    HALVES = "halves"  # forward and backward of the cross-entropy on each half of the batch
    LOGITS = "logits"  # backward of the summed logits, from the first forward of HALVES
    CURVATURE = "curvature"  # loss and its change over a step, in evaluation mode
    SYNFLOW = "synflow"  # forward and backward on ones, |weights|, no BatchNorm, batch of one
    TWIN = "twin"  # |weights| and a perturbed copy of them, in double precision, on few images
    NOISE = "noise"  # pairs of forwards on Gaussian noise, with Gaussian weights
    RANDOM = "random"  # forward on Gaussian noise and backward of the summed logits
    BLOCKS = "blocks"  # backward through each block apart, from the forward of RANDOM
    SAMPLE = "sample"  # forward of one Gaussian image, every module watched
    REDRAWN = "redrawn"  # as SAMPLE, with weights drawn anew, a few times
    FISHER_EIGEN = "fisher_eigen"  # Jacobian of the logits on Gaussian noise, in a few parameters


REQUIRES = {
    Pass.REDRAWN: Pass.SAMPLE,
    Pass.GRAPH: Pass.SURVEY,
    Pass.JACOBIAN: Pass.LOSS,
    Pass.HESSIAN: Pass.LOSS,
    Pass.LOGITS: Pass.HALVES,
    Pass.BLOCKS: Pass.RANDOM,
}
"""Passes that go on from where another one stopped."""


class Observer:
    """Watches a pass go by, layer by layer, so that no activation has to be kept.

    A proxy that needs activations subclasses this and overrides what it wants to see; the engine
    makes a new one for every network, sets ``seed``, and shows it the passes that it reads. If one
    of the methods raises, nothing more is shown, and ``failure`` says why.
    """

    seed: int = 0
    failure: str | None = None

    def on_activation(self, output: "Tensor") -> None:
        """See a rectifier's output ``(batch, ...)`` in a forward of a pass that is watched."""

    def on_second_activation(self, output: "Tensor") -> None:
        """See a rectifier's output on the second half, in the order of the first, in HALVES."""

    def on_gradient(self, operation: "Operation", output: "Tensor", gradient: "Tensor") -> None:
        """See a convolution's or linear layer's output and gradient in the backward of LOSS."""

    def on_operation(self, operation: "Operation", output: "Tensor") -> None:
        """See a layer's, norm's or rectifier's output in the first forward of HALVES."""

    def on_output(self, output: "Tensor") -> None:
        """See any module's output, containers' too, in a forward of SAMPLE or REDRAWN."""

    def restart(self) -> None:
        """Forget all that was seen: the pass begins again."""
        seed = self.seed
        self.__init__()  # type: ignore[misc]
        self.seed, self.failure = seed, None

    def on_draw(self) -> None:
        """See that another draw begins, in REDRAWN."""

    def on_input_gradient(self, gradient: "Tensor") -> None:
        """See the gradient at a rectifier's input in the backward of LOGITS."""

    def value(self, records: "Records") -> "Tensor | float":
        """Give the proxy's value, or one value a draw, once the passes are done."""
        raise NotImplementedError

    def read(self, records: "Records") -> "Tensor | float":
        """Give :meth:`value`, or raise a ValueError if something went wrong on the way."""
        if self.failure is not None:
            raise ValueError(self.failure)
        return self.value(records)


Value = Callable[["Records"], "Tensor | float"]


@dataclass(frozen=True, slots=True)
class Proxy:
    """A registered proxy: its column name, the passes that it reads, and how to compute it.

    ``definition`` is a function of the records, or an :class:`Observer` class. It gives a scalar,
    or a vector of one value a draw: then the proxy's value is their mean, with a standard error.
    ``unstable`` marks a proxy that cannot rank the same networks twice: with another seed, which
    draws other weights and noise, its values correlate with the first ones by a Spearman rho
    below .5, on cells of NAS-Bench-201. ``nulls`` says what it means that a value is ``"nan"``,
    ``"inf"`` or ``"-inf"``, where there is something to say.
    """

    name: str
    reads: tuple[Pass, ...]
    definition: Value | type[Observer]
    unstable: bool = False
    nulls: Mapping[str, str] = field(default_factory=dict)

    @property
    def summary(self) -> str:
        """First line of the definition's documentation."""
        return (self.definition.__doc__ or "").partition("\n")[0]


_REGISTRY: dict[str, Proxy] = {}

SETS: dict[str, frozenset[str]] = {
    "classic": frozenset(
        (
            "epe_nas",
            "fisher",
            "flops",
            "grad_norm",
            "grasp",
            "jacob_fro",
            "jacov",
            "l2_norm",
            "nwot",
            "params",
            "plain",
            "snip",
            "synflow",
            "zen",
        )
    )
}
"""Named sets besides ``"all"``: the thirteen of NAS-Bench-Suite-Zero and ``jacob_fro``."""


def proxy(
    name: str,
    *,
    reads: Pass | tuple[Pass, ...],
    unstable: bool = False,
    nulls: Mapping[str, str] | None = None,
) -> Callable[[Value | type[Observer]], Value | type[Observer]]:
    """Register a function of the records, or an :class:`Observer` class, under ``name``.

    The arguments are those of :class:`Proxy`.
    """

    def register(definition: Value | type[Observer]) -> Value | type[Observer]:
        if name in _REGISTRY:
            raise ValueError(f"proxy {name!r} is registered twice")
        passes = (reads,) if isinstance(reads, Pass) else reads
        _REGISTRY[name] = Proxy(name, passes, definition, unstable, nulls or {})
        return definition

    return register


def list_proxies(pattern: str = "*") -> list[str]:
    """Names of the registered proxies that match a shell pattern, sorted."""
    return sorted(name for name in _REGISTRY if fnmatchcase(name, pattern))


def select(names: str | Iterable[str] = "all") -> Sequence[Proxy]:
    """Look up proxies by name or by the name of a set, in a fixed order.

    Parameters
    ----------
    names
        One or more of: a proxy, a set of :data:`SETS`, ``"all"``.

    Raises
    ------
    UnknownProxyError
        For a name that is neither.
    """
    wanted: set[str] = set()
    for name in [names] if isinstance(names, str) else names:
        if name == "all":
            wanted |= _REGISTRY.keys()
        elif name in SETS:
            wanted |= SETS[name]
        elif name in _REGISTRY:
            wanted.add(name)
        else:
            raise UnknownProxyError(name, _REGISTRY.keys() | SETS.keys() | {"all"})
    return [_REGISTRY[name] for name in sorted(wanted)]
