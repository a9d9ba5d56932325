"""Programs that turn the statistics of a network's layers into one number.

A program is a tree of operators over two types: *layers*, a number for each layer, and *network*,
a number for the whole network. On disk it is JSON, ``["reduce.sum", ["layers.log", "weight.l2"]]``,
which is read against the operators below and never run as code.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from acorn.errors import InputError, abbreviate
from training.proxy_evolution.layer_statistics import STATISTICS
from training.proxy_evolution.network_statistics import NetworkStatistics

Floats = NDArray[np.float64]
Kind = Literal["layers", "network"]

MAX_DEPTH, MAX_NODES = 16, 200

COUNTS = ("network.layers", "network.weights")
"""Numbers of layers and of weights, which are there without measurement."""


def _log(x: Floats) -> Floats:
    return np.log(np.abs(x) + 1e-9)


def _inverse(x: Floats) -> Floats:
    return np.divide(1.0, x, out=np.zeros_like(x), where=x != 0)


def _sigmoid(x: Floats) -> Floats:
    return 0.5 + 0.5 * np.tanh(x / 2)


UNARY: dict[str, Callable[[Floats], Floats]] = {
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
BINARY: dict[str, Callable[[Floats, Floats], Floats]] = {
    "add": np.add,
    "divide": lambda x, y: x * _inverse(y),
    "less": lambda x, y: (x < y).astype(np.float64),
    "maximum": np.maximum,
    "minimum": np.minimum,
    "multiply": np.multiply,
    "subtract": np.subtract,
}


def _sums(x: Floats, bank: NetworkStatistics) -> Floats:
    found: Floats = np.add.reduceat(x, bank.starts)
    return found


def _lengths(bank: NetworkStatistics) -> NDArray[np.int64]:
    ends = np.append(bank.starts[1:], len(bank.columns[STATISTICS[0]]))
    return ends - bank.starts


def _means(x: Floats, bank: NetworkStatistics) -> Floats:
    return _sums(x, bank) / _lengths(bank)


def _deviations(x: Floats, bank: NetworkStatistics) -> Floats:
    apart = x - np.repeat(_means(x, bank), _lengths(bank))
    return np.sqrt(_means(np.square(apart), bank))


def _shares(x: Floats, bank: NetworkStatistics) -> Floats:
    """Each layer's share of the sum of absolute values over its network."""
    return x * np.repeat(_inverse(_sums(np.abs(x), bank)), _lengths(bank))


def _changes(x: Floats, bank: NetworkStatistics) -> Floats:
    """Difference from the layer before; nothing at a network's first layer."""
    found = np.diff(x, prepend=x[:1])
    found[bank.starts] = 0.0
    return found


REDUCE: dict[str, Callable[[Floats, NetworkStatistics], Floats]] = {
    "last": lambda x, bank: x[bank.starts + _lengths(bank) - 1],
    "maximum": lambda x, bank: np.maximum.reduceat(x, bank.starts),
    "mean": _means,
    "minimum": lambda x, bank: np.minimum.reduceat(x, bank.starts),
    "std": _deviations,
    "sum": _sums,
}
ALONG: dict[str, Callable[[Floats, NetworkStatistics], Floats]] = {
    "change": _changes,
    "share": _shares,
}


@dataclass(frozen=True, slots=True)
class Operator:
    """Name, types, and what it does; ``apply`` also gets the bank."""

    name: str
    takes: tuple[Kind, ...]
    gives: Kind
    apply: Callable[..., Floats]


def _operators() -> dict[str, Operator]:
    found: list[Operator] = []
    kinds: tuple[Kind, ...] = ("layers", "network")
    for kind in kinds:
        for name, unary in UNARY.items():
            apply = _without_bank(unary)
            found.append(Operator(f"{kind}.{name}", (kind,), kind, apply))
        for name, binary in BINARY.items():
            apply = _without_bank(binary)
            found.append(Operator(f"{kind}.{name}", (kind, kind), kind, apply))
    for name, along in ALONG.items():
        found.append(Operator(f"layers.{name}", ("layers",), "layers", along))
    for name, reduce in REDUCE.items():
        found.append(Operator(f"reduce.{name}", ("layers",), "network", reduce))
    return {operator.name: operator for operator in found}


def _without_bank(apply: Callable[..., Floats]) -> Callable[..., Floats]:
    return lambda *arguments: apply(*arguments[:-1])


OPERATORS = _operators()

LEAVES: dict[str, Kind] = {
    **dict.fromkeys(STATISTICS, "layers"),
    **dict.fromkeys(COUNTS, "network"),
}

Tree = str | tuple["str | Tree", ...]
"""A leaf, or an operator's name and its arguments."""


@dataclass(frozen=True, slots=True)
class Program:
    """A tree that gives a number for each network."""

    tree: Tree

    @classmethod
    def parse(cls, document: object) -> "Program":
        """Read a program from JSON that was read already.

        Raises
        ------
        InputError
            For what is no program, says which part and why.
        """
        nodes = [0]
        return cls(_parse(document, "network", 0, nodes))

    def document(self) -> object:
        """The program as lists and strings, for JSON."""
        return _lists(self.tree)

    def __str__(self) -> str:
        return _text(self.tree)

    def __call__(self, bank: NetworkStatistics) -> Floats:
        """One number a network; what cannot be computed is not finite."""
        with np.errstate(all="ignore"):
            return np.asarray(_evaluate(self.tree, bank), np.float64)


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
                return (name, *(_parse(each, kind, depth + 1, nodes) for each, kind in parts))
    raise InputError(
        f"got {abbreviate(document)} in a program; expected a number for the "
        f"{'network' if wanted == 'network' else 'layers'}: a statistic, or an operator with its "
        "arguments"
    )


def _evaluate(tree: Tree, bank: NetworkStatistics) -> Floats:
    if isinstance(tree, str):
        if tree == "network.layers":
            return _lengths(bank).astype(np.float64)
        if tree == "network.weights":
            return _sums(bank.columns["weight.size"], bank)
        return bank.columns[tree]
    name, *arguments = tree
    values = [_evaluate(each, bank) for each in arguments]
    return OPERATORS[str(name)].apply(*values, bank)


def _lists(tree: Tree) -> object:
    return tree if isinstance(tree, str) else [_lists(each) for each in tree]


def _text(tree: Tree) -> str:
    if isinstance(tree, str):
        return tree
    name, *arguments = tree
    return f"{name}({', '.join(map(_text, arguments))})"
