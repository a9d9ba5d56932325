"""Programs that turn the statistics of a network's layers into one number.

A program is a tree of operators over two types: *layers*, a number for each layer, and *network*,
a number for the whole network. On disk it is JSON, ``["reduce.sum", ["layers.log", "weight.l2"]]``,
which is checked against the operators below and never run as code.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from acorn.errors import InputError, abbreviate
from training.proxy_evolution.layer_statistics import STATISTICS
from training.proxy_evolution.network_statistics import NetworkStatistics

Floats = NDArray[np.float64]
Kind = Literal["layers", "network"]
KINDS: tuple[Kind, ...] = get_args(Kind)

MAX_DEPTH, MAX_NODES = 16, 200

COUNTS = ("network.layers", "network.weights")
"""Leaves: numbers of layers and of weights of a network."""


def _log(x: Floats) -> Floats:
    return np.log(np.abs(x) + 1e-9)


def _inverse(x: Floats) -> Floats:
    return np.divide(1.0, x, out=np.zeros_like(x), where=x != 0)


def _sigmoid(x: Floats) -> Floats:
    return 0.5 + 0.5 * np.tanh(x / 2)


UNARY: dict[str, Callable[..., Floats]] = {
    "abs": np.abs,
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
    "maximum": np.maximum,
    "minimum": np.minimum,
    "multiply": np.multiply,
    "subtract": np.subtract,
}


def _means(x: Floats, networks: NetworkStatistics) -> Floats:
    return networks.sums(x) / networks.depths


def _deviations(x: Floats, networks: NetworkStatistics) -> Floats:
    centred = x - networks.per_layer(_means(x, networks))
    return np.sqrt(_means(np.square(centred), networks))


def _shares(x: Floats, networks: NetworkStatistics) -> Floats:
    """Share of each layer in the sum of absolute values over its network."""
    return x * networks.per_layer(_inverse(networks.sums(np.abs(x))))


def _changes(x: Floats, networks: NetworkStatistics) -> Floats:
    """Difference from the previous layer; 0 at the first layer of a network."""
    changes = np.diff(x, prepend=x[:1])
    changes[networks.starts] = 0.0
    return changes


REDUCE: dict[str, Callable[[Floats, NetworkStatistics], Floats]] = {
    "last": lambda x, networks: x[networks.starts + networks.depths - 1],
    "maximum": lambda x, networks: np.maximum.reduceat(x, networks.starts),
    "mean": _means,
    "minimum": lambda x, networks: np.minimum.reduceat(x, networks.starts),
    "std": _deviations,
    "sum": lambda x, networks: networks.sums(x),
}
ALONG: dict[str, Callable[[Floats, NetworkStatistics], Floats]] = {
    "change": _changes,
    "share": _shares,
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

    def __call__(self, networks: NetworkStatistics) -> Floats:
        """Compute the numbers of networks.

        Parameters
        ----------
        networks : NetworkStatistics
            Statistics of the networks.

        Returns
        -------
        numpy.ndarray
            Shape (networks,); not finite if a number cannot be computed.
        """
        with np.errstate(all="ignore"):
            return np.asarray(_evaluate(self.tree, networks), np.float64)


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


def _evaluate(tree: Tree, networks: NetworkStatistics) -> Floats:
    if isinstance(tree, str):
        if tree == "network.layers":
            return networks.depths.astype(np.float64)
        if tree == "network.weights":
            return networks.sums(networks.columns["weight.size"])
        return networks.columns[tree]
    name, *arguments = tree
    values = [_evaluate(argument, networks) for argument in arguments]
    return OPERATORS[str(name)].apply(*values, networks)


def _text(tree: Tree) -> str:
    if isinstance(tree, str):
        return tree
    name, *arguments = tree
    return f"{name}({', '.join(map(_text, arguments))})"
