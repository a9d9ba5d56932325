"""Programs that turn the statistics of a network's layers into one number.

A program is a tree of operators over two types: *layers*, a number for each layer, and *network*,
a number for the whole network. On disk it is JSON, ``["reduce.sum", ["layers.log", "weight.l2"]]``,
which is checked against the operators below and never run as code.
"""

from collections.abc import Callable, Iterator, MutableMapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from acorn.errors import InputError, abbreviate
from acorn.proxies._programs.layer_statistics import STATISTICS
from acorn.proxies._programs.layer_table import LayerTable

Floats = NDArray[np.float64]
Kind = Literal["layers", "network"]
KINDS: tuple[Kind, ...] = get_args(Kind)

MAX_DEPTH, MAX_NODES = 16, 200

DEPTH, WEIGHTS = COUNTS = ("network.layers", "network.weights")
"""Leaves: numbers of layers and of weights of a network."""

SIZE = "layer.size"


LARGEST_EXPONENT = 50.0
"""Above it the exponential is constant."""


def _log(x: Floats) -> Floats:
    return np.log(np.abs(x) + 1e-9)


def _inverse(x: Floats) -> Floats:
    return np.divide(1.0, x, out=np.zeros_like(x), where=x != 0)


def _sigmoid(x: Floats) -> Floats:
    return 0.5 + 0.5 * np.tanh(x / 2)


UNARY: dict[str, Callable[..., Floats]] = {
    "abs": np.abs,
    "exp": lambda x: np.exp(np.minimum(x, LARGEST_EXPONENT)),
    "heaviside": lambda x: (x > 0).astype(np.float64),
    "inverse": _inverse,
    "log": _log,
    "negative": np.negative,
    "relu": lambda x: np.maximum(x, 0.0),
    "sigmoid": _sigmoid,
    "sign": np.sign,
    "sqrt": lambda x: np.sqrt(np.abs(x)),
    "square": np.square,
    "tanh": np.tanh,
}
BINARY: dict[str, Callable[..., Floats]] = {
    "add": np.add,
    "divide": lambda x, y: x * _inverse(y),
    "less": lambda x, y: (x < y).astype(np.float64),
    "equal": lambda x, y: (x == y).astype(np.float64),
    "greater": lambda x, y: (x > y).astype(np.float64),
    "maximum": np.maximum,
    "minimum": np.minimum,
    "multiply": np.multiply,
    "power": lambda x, y: np.exp(np.clip(y * _log(x), -LARGEST_EXPONENT, LARGEST_EXPONENT)),
    "subtract": np.subtract,
}


def _means(x: Floats, networks: LayerTable) -> Floats:
    return networks.sums(x) / networks.depths


def _deviations(x: Floats, networks: LayerTable) -> Floats:
    centred = x - networks.per_layer(_means(x, networks))
    return np.sqrt(_means(np.square(centred), networks))


def _shares(x: Floats, networks: LayerTable) -> Floats:
    """Share of each layer in the sum of absolute values over its network."""
    return x * networks.per_layer(_inverse(networks.sums(np.abs(x))))


def _changes(x: Floats, networks: LayerTable) -> Floats:
    """Difference from the previous layer; 0 at the first layer of a network."""
    changes = np.diff(x, prepend=x[:1])
    changes[networks.starts] = 0.0
    return changes


def _standardised(x: Floats, networks: LayerTable) -> Floats:
    """Deviation of each layer from the mean of its network, in standard deviations."""
    centred = x - networks.per_layer(_means(x, networks))
    return centred * networks.per_layer(_inverse(_deviations(x, networks)))


def _softmax(x: Floats, networks: LayerTable) -> Floats:
    largest = networks.per_layer(np.maximum.reduceat(x, networks.starts))
    return _shares(np.exp(x - largest), networks)


def _accumulated(x: Floats, networks: LayerTable) -> Floats:
    """Sum of the layers up to each layer of its network."""
    sums = np.cumsum(x)
    return sums - networks.per_layer((sums - x)[networks.starts])


def _norms(x: Floats, networks: LayerTable) -> Floats:
    return np.sqrt(networks.sums(np.square(x)))


def _cosines(x: Floats, y: Floats, networks: LayerTable) -> Floats:
    return networks.sums(x * y) * _inverse(_norms(x, networks) * _norms(y, networks))


def _correlations(x: Floats, y: Floats, networks: LayerTable) -> Floats:
    return _means(_standardised(x, networks) * _standardised(y, networks), networks)


def _weighted_means(x: Floats, weights: Floats, networks: LayerTable) -> Floats:
    weights = np.abs(weights)
    return networks.sums(x * weights) * _inverse(networks.sums(weights))


REDUCE: dict[str, Callable[[Floats, LayerTable], Floats]] = {
    "first": lambda x, networks: x[networks.starts],
    "last": lambda x, networks: x[networks.starts + networks.depths - 1],
    "maximum": lambda x, networks: np.maximum.reduceat(x, networks.starts),
    "mean": _means,
    "minimum": lambda x, networks: np.minimum.reduceat(x, networks.starts),
    "norm": _norms,
    "std": _deviations,
    "sum": lambda x, networks: networks.sums(x),
}
COMPARE: dict[str, Callable[[Floats, Floats, LayerTable], Floats]] = {
    "correlation": _correlations,
    "cosine": _cosines,
    "weighted_mean": _weighted_means,
}
ALONG: dict[str, Callable[[Floats, LayerTable], Floats]] = {
    "accumulated": _accumulated,
    "change": _changes,
    "share": _shares,
    "softmax": _softmax,
    "standardised": _standardised,
}


@dataclass(frozen=True, slots=True)
class Operator:
    """A node of a program.

    Attributes
    ----------
    takes : tuple of str
        Types of the arguments.
    gives : str
        Type of the result.
    apply : callable
        Computes the result from the arguments and the statistics.
    """

    takes: tuple[Kind, ...]
    gives: Kind
    apply: Callable[..., Floats]


def _elementwise(function: Callable[..., Floats]) -> Callable[..., Floats]:
    return lambda *arguments: function(*arguments[:-1])  # without the statistics


OPERATORS: dict[str, Operator] = {
    f"{kind}.{name}": Operator((kind,) * arity, kind, _elementwise(function))
    for kind in KINDS
    for arity, functions in ((1, UNARY), (2, BINARY))
    for name, function in functions.items()
}
"""Operators by their names in programs."""
OPERATORS |= {
    f"layers.{name}": Operator(("layers",), "layers", along) for name, along in ALONG.items()
}
OPERATORS |= {
    f"reduce.{name}": Operator(("layers",), "network", reduce) for name, reduce in REDUCE.items()
}
OPERATORS |= {
    f"reduce.{name}": Operator(("layers", "layers"), "network", compare)
    for name, compare in COMPARE.items()
}

LEAVES: dict[str, Kind] = {
    **dict.fromkeys(STATISTICS, "layers"),
    **dict.fromkeys(COUNTS, "network"),
}

Tree = str | tuple["str | Tree", ...]
"""A leaf, or an operator's name and its arguments."""


@dataclass(frozen=True, slots=True)
class Program:
    """A tree that computes a number for each network.

    Attributes
    ----------
    tree : str or tuple
        A leaf, or an operator's name and its arguments.
    """

    tree: Tree

    @classmethod
    def parse(cls, document: object) -> "Program":
        """Check and convert a program from JSON.

        Parameters
        ----------
        document : object
            Nested lists and strings.

        Returns
        -------
        Program

        Raises
        ------
        InputError
            If a part of the document is no program; the message says which.
        """
        return cls(_parse(document, "network", 0, [0]))

    def __str__(self) -> str:
        return _text(self.tree)

    def __len__(self) -> int:
        return _nodes(self.tree)

    @property
    def statistics(self) -> frozenset[str]:
        """Columns of the layer table that the program reads, at least one."""
        return frozenset(_statistics(self.tree))

    def __call__(
        self, networks: LayerTable, cache: MutableMapping["Tree", Floats] | None = None
    ) -> Floats:
        """Compute the numbers of networks.

        Parameters
        ----------
        networks : LayerTable
            Statistics of the networks. One that is not finite counts as 0, as in EZNAS.
        cache : mutable mapping, optional
            Results of subtrees for the same networks, which are used and added to.

        Returns
        -------
        numpy.ndarray
            Shape (networks,); not finite if a number cannot be computed.
        """
        with np.errstate(all="ignore"):
            return _evaluate(self.tree, networks, {} if cache is None else cache)


def _parse(document: object, wanted: Kind, depth: int, nodes: list[int]) -> Tree:
    nodes[0] += 1
    if depth > MAX_DEPTH or nodes[0] > MAX_NODES:
        raise InputError(
            f"got a program of more than {MAX_DEPTH} levels or {MAX_NODES} nodes; expected fewer"
        )
    if isinstance(document, str) and LEAVES.get(document) == wanted:
        return document
    match document:
        case [str(name), *arguments] if name in OPERATORS:
            operator = OPERATORS[name]
            if operator.gives == wanted and len(operator.takes) == len(arguments):
                parts = zip(arguments, operator.takes, strict=True)
                return (name, *(_parse(part, kind, depth + 1, nodes) for part, kind in parts))
    raise InputError(
        f"got {abbreviate(document)} in a program; expected a number for the {wanted}: a "
        "statistic, or an operator with its arguments"
    )


def _evaluate(tree: Tree, networks: LayerTable, cache: MutableMapping[Tree, Floats]) -> Floats:
    known = cache.get(tree)
    if known is not None:
        return known
    if isinstance(tree, str):
        if tree == DEPTH:
            values = networks.depths.astype(np.float64)
        elif tree == WEIGHTS:
            values = networks.sums(networks.columns[SIZE])
        else:
            values = np.nan_to_num(networks.columns[tree], nan=0.0, posinf=0.0, neginf=0.0)
    else:
        name, *arguments = tree
        operands = [_evaluate(argument, networks, cache) for argument in arguments]
        values = OPERATORS[str(name)].apply(*operands, networks)
    cache[tree] = values
    return values


def _nodes(tree: Tree) -> int:
    return 1 if isinstance(tree, str) else 1 + sum(map(_nodes, tree[1:]))


def _statistics(tree: Tree) -> Iterator[str]:
    if isinstance(tree, str):
        yield SIZE if tree in COUNTS else tree
    else:
        for argument in tree[1:]:
            yield from _statistics(argument)


def _text(tree: Tree) -> str:
    if isinstance(tree, str):
        return tree
    name, *arguments = tree
    return f"{name}({', '.join(map(_text, arguments))})"
