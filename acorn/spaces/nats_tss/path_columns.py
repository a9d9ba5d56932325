"""Columns of a cell's paths: the operations that lie between its input and its output.

They are computed from the normal form (:func:`~acorn.spaces.nats_tss.canonical.normal_form`), so
equivalent cells have the same. A path is a *word*: its operations from input to output, ``1`` and
``3`` for convolutions and ``p`` for pooling; a skip adds no letter.
"""

import itertools
import math
from collections import defaultdict
from collections.abc import Callable, Iterator

from acorn.spaces.nats_tss.canonical import Convolved, Input, NormalForm, Pooled

Words = dict[str, float]
"""A weight for each word."""

POOL = "p"
LETTERS = {"nor_conv_1x1": "1", "nor_conv_3x3": "3"}
WORDS = ["".join(word) for length in range(4) for word in itertools.product("13p", repeat=length)]
POOLED_VARIANCE = 0.35
"""Share of a feature map's variance after a 3x3 average, at initialisation (measured)."""

MEASURES: dict[str, Callable[[str], int]] = {
    "conv": lambda word: len(word) - word.count("p"),
    "conv3x3": lambda word: word.count("3"),
    "conv1x1": lambda word: word.count("1"),
    "pool": lambda word: word.count("p"),
    "length": len,
    "field": lambda word: 2 * (len(word) - word.count("1")),  # growth of the receptive field
}


def path_columns(form: NormalForm) -> dict[str, float]:
    """Describe the paths of a cell.

    Parameters
    ----------
    form : tuple of Input, Pooled or Convolved
        The cell's normal form.

    Returns
    -------
    dict of str to float
        Finite values; the same names for every form.
    """
    counts = _path_counts(form)
    return (
        {f"paths.word.{word or 'identity'}": counts.get(word, 0.0) for word in WORDS}
        | _count_columns(counts)
        | _term_columns(form)
        | _variance_columns(_variance_shares(form))
    )


def _path_counts(form: NormalForm) -> Words:
    """Count the paths of each word."""
    return _weigh(form, pooled=1, shared=False)


def _variance_shares(form: NormalForm) -> Words:
    """Compute the variance that each path adds to the output, at initialisation.

    The input of the cell has unit variance; BatchNorm gives the output of a convolution unit
    variance, which is shared among the paths through it in proportion to what they add to its
    input.
    """
    return _weigh(form, pooled=POOLED_VARIANCE, shared=True)


def _weigh(form: NormalForm, *, pooled: float, shared: bool) -> Words:
    """Add up the weights of paths by word; pooling multiplies them by ``pooled``."""
    weights: defaultdict[str, float] = defaultdict(float if shared else int)
    for term in form:
        match term:
            case Input():
                weights[""] += 1
            case Pooled(inner):
                for word, weight in _weigh((inner,), pooled=pooled, shared=shared).items():
                    weights[word + POOL] += weight * pooled
            case Convolved(operation, source):
                of_source = _weigh(source, pooled=pooled, shared=shared)
                total = sum(of_source.values())
                for word, weight in of_source.items():
                    added = weight / total if shared else weight
                    weights[word + LETTERS[operation]] += added
    return dict(weights)


def _count_columns(counts: Words) -> dict[str, float]:
    total = sum(counts.values())
    columns = {"paths.count": total}
    for name, measure in MEASURES.items():
        lengths = {word: measure(word) for word in counts}
        weighted = sum(counts[word] * length for word, length in lengths.items())
        # A cell without a path gets values below those of every other cell.
        columns[f"paths.{name}.max"] = float(max(lengths.values(), default=-1))
        columns[f"paths.{name}.min"] = float(min(lengths.values(), default=-1))
        columns[f"paths.{name}.sum"] = weighted if counts else -1.0
        columns[f"paths.{name}.mean"] = weighted / total if counts else -1.0
    for name in ("conv", "conv3x3"):
        for length in range(4):
            columns[f"paths.with_{length}_{name}"] = _total(counts, name, length)
    for name, part in (("identity", counts.get("", 0.0)), ("linear", _total(counts, "conv", 0))):
        columns[f"paths.share_{name}"] = part / total if counts else 0.0
    return columns


def _term_columns(form: NormalForm) -> dict[str, float]:
    convolutions = [*_convolutions(form)]
    fan_in = [len(convolution.source) for convolution in convolutions] or [0]
    pooled = [
        all(isinstance(t, Pooled) for t in convolution.source) for convolution in convolutions
    ]
    columns = {
        "terms.count": len(form),
        "terms.p": sum(isinstance(term, Pooled) for term in form),
        "terms.fan_in.max": max(fan_in),
        "terms.fan_in.mean": sum(fan_in) / len(fan_in),
        "terms.conv_of_pooled": sum(pooled),
    }
    for operation, letter in LETTERS.items():
        for name, terms in (("", form), ("conv.", convolutions), ("distinct.", set(convolutions))):
            columns[f"terms.{name}{letter}"] = sum(
                isinstance(term, Convolved) and term.operation == operation for term in terms
            )
    return {name: float(value) for name, value in columns.items()}


def _variance_columns(shares: Words) -> dict[str, float]:
    variance = sum(shares.values())
    parts = {word: share / variance for word, share in shares.items()}
    columns = {
        "variance.total": variance,
        "variance.entropy": -sum(part * math.log(part) for part in parts.values()),
    }
    for name, measure in MEASURES.items():
        mean = sum(part * measure(word) for word, part in parts.items())
        square = sum(part * measure(word) ** 2 for word, part in parts.items())
        columns[f"variance.{name}.mean"] = mean
        columns[f"variance.{name}.std"] = math.sqrt(max(0.0, square - mean**2))
    for name in ("conv", "conv3x3"):
        for length in range(4):
            columns[f"variance.with_{length}_{name}"] = _total(parts, name, length)
    for letter in (*LETTERS.values(), POOL):
        columns[f"variance.first_{letter}"] = sum(p for w, p in parts.items() if w[:1] == letter)
        columns[f"variance.last_{letter}"] = sum(p for w, p in parts.items() if w[-1:] == letter)
    columns["variance.identity"] = parts.get("", 0.0)
    return columns


def _total(weights: Words, name: str, length: int) -> float:
    measure = MEASURES[name]
    return float(sum(weight for word, weight in weights.items() if measure(word) == length))


def _convolutions(form: NormalForm) -> Iterator[Convolved]:
    """List the convolutions of a normal form, repeated ones included."""
    for term in form:
        while isinstance(term, Pooled):
            term = term.term
        if isinstance(term, Convolved):
            yield term
            yield from _convolutions(term.source)
