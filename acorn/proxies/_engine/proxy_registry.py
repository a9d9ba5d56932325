"""Which proxies there are, and which passes each of them reads."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from torch import Tensor

from acorn.errors import UnknownProxyError
from acorn.proxies._engine.observers import Observer
from acorn.proxies._engine.pass_registry import Pass
from acorn.proxies._engine.records import Records

Value = Callable[[Records], Tensor | float]


@dataclass(frozen=True, slots=True)
class Proxy:
    """A registered proxy.

    Attributes
    ----------
    name : str
        Name of its column.
    reads : tuple of Pass
        The passes whose results it uses.
    definition : callable or Observer class
        A function of the records, or an :class:`~acorn.proxies._engine.observers.Observer` class.
        It gives a scalar, or a vector of one value a draw: the proxy's value is then their mean,
        with a standard error.
    unstable : bool, default=False
        Whether the proxy does not rank the same networks twice: with another seed its values
        correlate with the first ones by a Spearman rho below .5, on cells of NAS-Bench-201.
    nulls : mapping of str to str, default={}
        What it means if a value is ``"nan"``, ``"inf"`` or ``"-inf"``.
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
    """Register the decorated function or :class:`Observer` class as a proxy.

    Parameters
    ----------
    name, reads, unstable, nulls
        As in :class:`Proxy`; ``reads`` may be a single pass.

    Returns
    -------
    callable
        The decorator, which returns the definition unchanged.

    Raises
    ------
    ValueError
        If another proxy has this name.
    """

    def register(definition: Value | type[Observer]) -> Value | type[Observer]:
        if name in _REGISTRY:
            raise ValueError(f"proxy {name!r} is registered twice")
        passes = (reads,) if isinstance(reads, Pass) else reads
        _REGISTRY[name] = Proxy(name, passes, definition, unstable, nulls or {})
        return definition

    return register


def list_proxies(pattern: str = "*") -> list[str]:
    """List the registered proxies.

    Parameters
    ----------
    pattern : str, default="*"
        Shell pattern that the names match.

    Returns
    -------
    list of str
        Names, sorted.

    Examples
    --------
    >>> list_proxies("az_*")
    ['az_complexity', 'az_expressivity', 'az_progressivity', 'az_trainability']
    """
    return sorted(name for name in _REGISTRY if fnmatchcase(name, pattern))


def select(names: str | Iterable[str] = "all") -> Sequence[Proxy]:
    """Look up proxies by their names, or by the name of a set.

    Parameters
    ----------
    names : str or iterable of str, default="all"
        Names of proxies, names of :data:`SETS`, or ``"all"``.

    Returns
    -------
    sequence of Proxy
        Each proxy once, sorted by name.

    Raises
    ------
    UnknownProxyError
        If a name is none of these.
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
