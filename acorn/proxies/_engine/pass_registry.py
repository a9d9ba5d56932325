"""What a pass is, and which passes there are."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jaxtyping import Float
from torch import Tensor

from acorn.proxies._engine.observers import Observer
from acorn.proxies._engine.records import Records
from acorn.proxies._network.initialisation import Initialisation
from acorn.proxies._network.measured import MeasuredNetwork


@dataclass(frozen=True, eq=False)
class Pass:
    """One traversal of the network, which the engine runs at most once for all its readers.

    Attributes
    ----------
    name : str
        Name in reasons, timings and ``docs/passes.md``.
    run : callable
        Runs the pass for a :class:`Measurement`. Its docstring says what it does.
    after : Pass or None
        The pass that this one continues. It runs first; if it fails, this one does too.
    fills : tuple of str
        The fields of :class:`~acorn.proxies._engine.records.Records` that it fills.
    shows : tuple of str
        The methods of :class:`~acorn.proxies._engine.observers.Observer` that it calls.
    cost : float
        Time, as a multiple of one forward and backward of the batch (see ``docs/passes.md``).
    """

    name: str
    run: Callable[["Measurement"], None]
    after: "Pass | None"
    fills: tuple[str, ...]
    shows: tuple[str, ...]
    cost: float

    @property
    def summary(self) -> str:
        """First paragraph of the docstring of :attr:`run`, on one line."""
        return " ".join((self.run.__doc__ or "").partition("\n\n")[0].split())


@dataclass(slots=True)
class Measurement:
    """One network on its way through the passes.

    Attributes
    ----------
    network : MeasuredNetwork
        The copy of the user's network that passes run.
    images : Tensor
        Normalised images ``(batch, channels, height, width)``.
    records : Records
        Where passes write their results.
    needed : collection of Pass
        All passes of this run.
    observers : mapping of Pass to a sequence of Observer
        The observers that read each pass.
    seed : int
        Seed of every pass.
    initialisation : Initialisation
        The weights that the network is measured with.
    kept : dict
        What a pass leaves for the passes that continue it, by pass. The engine drops an entry when
        the last of these passes is done.
    notes : dict
        By pass: a remark for the values of its readers.
    failures : dict
        By pass: why it failed.
    seconds : dict
        Wall-clock seconds, by name of the pass.
    """

    network: MeasuredNetwork
    images: Float[Tensor, "batch channels height width"]
    records: Records
    needed: Collection[Pass]
    observers: Mapping[Pass, Sequence[Observer]]
    seed: int = 0
    initialisation: Initialisation = Initialisation.AS_GIVEN
    kept: dict[Pass, Any] = field(default_factory=dict)
    notes: dict[Pass, str] = field(default_factory=dict)
    failures: dict[Pass, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)


PASSES: dict[str, Pass] = {}
"""The registered passes by name."""


def define_pass(
    name: str,
    run: Callable[[Measurement], None],
    *,
    after: Pass | None,
    fills: tuple[str, ...] = (),
    shows: tuple[str, ...] = (),
    cost: float,
) -> Pass:
    """Make and register a pass.

    The parameters are the attributes of :class:`Pass`.

    Returns
    -------
    Pass
        The pass, for the ``reads`` of proxies.

    Raises
    ------
    ValueError
        If another pass has this name.
    """
    if name in PASSES:
        raise ValueError(f"pass {name!r} is registered twice")
    PASSES[name] = Pass(name, run, after, fills, shows, cost)
    return PASSES[name]
