"""Long lists of architectures, split into requests within the server's limits."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from acorn.client import calls
from acorn.client.errors import ValidationProblem
from acorn.client.exchanges import Exchange, RequestPolicy
from acorn.client.requests import given_options
from acorn.schemas.predict_options import Options
from acorn.schemas.prediction import Prediction

ENVELOPE_BYTES = 4_096
"""Bytes of a request that are reserved for the options."""


@dataclass(frozen=True, slots=True)
class Size:
    """The largest request."""

    architectures: int
    n_bytes: int


@dataclass(frozen=True, slots=True)
class Part:
    """Consecutive architectures of a list, as JSON; ``first`` is the index of the first."""

    first: int
    items: list[bytes]


def size_of_parts(
    policy: RequestPolicy, options: Options, *, most: int | None, at_once: int
) -> Exchange[Size]:
    """Find how many architectures a request may have, from the server's limits.

    Parameters
    ----------
    policy : RequestPolicy
    options : Options
        Options of the requests; explanations have a limit of their own.
    most : int or None
        The caller's own limit.
    at_once : int
        Number of concurrent requests. The server's queue must have room for all of them.

    Returns
    -------
    Exchange of Size
    """
    limits = (yield from calls.spaces(policy)).limits
    n = min(limits.max_architectures, max(1, limits.queue_size // at_once))
    values = given_options(options)
    if values.get("explain", "none") != "none":
        targets = len(values.get("targets", ()))
        if not targets:
            known = (yield from calls.forests(policy)).forests
            targets = max((len(forest.targets) for forest in known), default=1)
        n = min(n, limits.max_explanations // targets)
    if most is not None:
        n = min(n, most)
    return Size(max(1, n), limits.max_body_bytes - ENVELOPE_BYTES)


def cut(items: Iterable[bytes], size: Size) -> Iterator[Part]:
    """Split a list into parts; an item that exceeds the size gets a part of its own."""
    first, part, length = 0, list[bytes](), 0
    for index, item in enumerate(items):
        if part and (len(part) >= size.architectures or length + len(item) > size.n_bytes):
            yield Part(first, part)
            first, part, length = index, [], 0
        part.append(item)
        length += len(item) + 1
    if part:
        yield Part(first, part)


def predict_part(policy: RequestPolicy, part: Part, options: Options) -> Exchange[list[Prediction]]:
    """Predict a part of a list.

    Parameters
    ----------
    policy : RequestPolicy
    part : Part
    options : Options

    Returns
    -------
    Exchange of list of Prediction

    Raises
    ------
    ValidationProblem
        With pointers into the whole list.
    """
    try:
        return (yield from policy.ask(calls.prediction(part.items, options))).predictions
    except ValidationProblem as error:
        raise error.moved(lambda index: part.first + index) from None
