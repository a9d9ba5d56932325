"""Long lists: cut into requests that the server takes."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from acorn.client import requests
from acorn.client.conversations import Ask, Conversation
from acorn.client.errors import ValidationProblem
from acorn.schemas.options import Options
from acorn.schemas.prediction import Prediction

ENVELOPE_BYTES = 4_096
"""Bytes of a request that the options may take."""


@dataclass(frozen=True, slots=True)
class Size:
    """What one request of a list may have."""

    architectures: int
    n_bytes: int


@dataclass(frozen=True, slots=True)
class Part:
    """Some architectures of a list, as JSON, from the one at index ``first`` on."""

    first: int
    items: list[bytes]


def size_of_parts(
    ask: Ask, options: Options, *, most: int | None, at_once: int
) -> Conversation[Size]:
    """Find how many architectures a request may have: as the server's limits say.

    Parameters
    ----------
    ask
        Asks the server.
    options
        Of the requests; explanations have a limit of their own.
    most
        The caller's own limit.
    at_once
        Requests under way at a time: all must find room in the server's queue, should nothing of
        them be known.
    """
    limits = (yield from ask(requests.spaces())).limits
    n = min(limits.max_architectures, max(1, limits.queue_size // at_once))
    wanted = requests.given(options)
    if wanted.get("explain", "none") != "none":
        targets = len(wanted.get("targets", ()))
        if not targets:
            found = (yield from ask(requests.forests())).forests
            targets = max((len(forest.targets) for forest in found), default=1)
        n = min(n, limits.max_explanations // targets)
    if most is not None:
        n = min(n, most)
    return Size(max(1, n), limits.max_body_bytes - ENVELOPE_BYTES)


def cut(items: Iterable[bytes], size: Size) -> Iterator[Part]:
    """Cut a list into parts; an item that is too long by itself makes one of its own."""
    first, part, length = 0, list[bytes](), 0
    for index, item in enumerate(items):
        if part and (len(part) >= size.architectures or length + len(item) > size.n_bytes):
            yield Part(first, part)
            first, part, length = index, [], 0
        part.append(item)
        length += len(item) + 1
    if part:
        yield Part(first, part)


def predict_part(ask: Ask, part: Part, options: Options) -> Conversation[list[Prediction]]:
    """Predict a part; what is wrong with it is said of the whole list."""
    try:
        return (yield from ask(requests.predict(part.items, options))).predictions
    except ValidationProblem as error:
        raise error.moved(lambda index: part.first + index) from None
