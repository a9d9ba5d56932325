"""Requests of the client: their form, and the encoding of architectures and options."""

import json
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeAlias, TypeVar

from httpx2 import AsyncByteStream, SyncByteStream

from acorn.errors import InputError, abbreviate
from acorn.schemas.predict_options import PredictOptions
from acorn.schemas.prediction import PlainSpec

T = TypeVar("T")

BYTES_AT_ONCE = 2**16
IN_MEMORY_BYTES = 8 * 2**20
"""Bodies larger than this are kept on disk."""

Architecture: TypeAlias = PlainSpec | Mapping[str, Any] | str | int | Sequence[int]
"""``{"space": ..., "arch": ...}``; with the argument ``space``, only the value of ``arch``."""


@dataclass(frozen=True, slots=True)
class Request(Generic[T]):
    """A request, and how to parse its response.

    Attributes
    ----------
    method, path : str
    read : callable
        Parses the body of the response.
    params, headers : mapping of str to str, default={}
        Query and headers.
    body : bytes or Spool or None, default=None
    is_safe : bool, default=True
        Whether it may be sent again if it is unknown whether it arrived.
    is_retried : bool, default=True
        Whether it is sent again at all.
    is_stream : bool, default=False
        Whether the body of the response is left to be read in pieces.
    """

    method: str
    path: str
    read: Callable[[bytes], T]
    params: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: "bytes | Spool | None" = None
    is_safe: bool = True
    is_retried: bool = True
    is_stream: bool = False


class Spool(SyncByteStream, AsyncByteStream):
    """A request body in a temporary file, which can be sent several times.

    Parameters
    ----------
    lines : iterable of bytes
        Lines without line feeds.
    """

    def __init__(self, lines: Iterable[bytes]) -> None:
        self._file = tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES)  # noqa: SIM115 (discard does it)
        try:
            for line in lines:
                self._file.write(line + b"\n")
        except BaseException:
            self._file.close()
            raise
        self.size = self._file.tell()

    def __iter__(self) -> Iterator[bytes]:
        self._file.seek(0)
        while chunk := self._file.read(BYTES_AT_ONCE):
            yield chunk

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self:
            yield chunk

    def discard(self) -> None:
        """Delete the file. The HTTP library calls ``close`` after every attempt to send it."""
        self._file.close()


def encode_all(
    architectures: Architecture | Iterable[Architecture], space: str | None
) -> Iterator[bytes]:
    """Encode one architecture or many as JSON.

    Parameters
    ----------
    architectures : architecture or iterable of architectures
    space : str or None
        The space of all; each architecture is then the value of ``arch``.

    Yields
    ------
    bytes
        JSON of one architecture.

    Raises
    ------
    InputError
        If an item is not an architecture, or for a list of integers, which is ambiguous: one list
        of widths, or several indices.
    """
    if isinstance(architectures, PlainSpec | Mapping | str) or not isinstance(
        architectures, Iterable
    ):
        yield _encode(architectures, space)
    elif isinstance(architectures, list | tuple) and _are_integers(architectures):
        raise InputError(
            f"got the integers {abbreviate(architectures)}, one architecture or several; "
            "expected a list of lists, or indices as text"
        )
    else:
        for architecture in architectures:
            yield _encode(architecture, space)


def given_options(
    options: Mapping[str, Any], known: Iterable[str] = PredictOptions.model_fields
) -> dict[str, Any]:
    """List the options that are set, as a request has them.

    Parameters
    ----------
    options : mapping of str to object
        Keyword arguments of a call.
    known : iterable of str, default=those of a prediction
        Names of the options that there are.

    Returns
    -------
    dict of str to object

    Raises
    ------
    TypeError
        If there is no such option.
    """
    if unknown := options.keys() - {*known}:
        names = ", ".join(known)
        raise TypeError(f"got the option {min(unknown)}; expected some of {names}")
    values: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    for name in values.keys() & {"targets", "proxies", "objectives", "constraints"}:
        names = values[name]
        values[name] = names.split(",") if isinstance(names, str) else [*names]
    if (conditions := values.get("conditions")) is not None:
        values["conditions"] = {**conditions}
    return values


def _are_integers(values: Sequence[object]) -> bool:
    return bool(values) and all(
        isinstance(value, int) and not isinstance(value, bool) for value in values
    )


def _encode(architecture: object, space: str | None) -> bytes:
    spec: object
    match architecture:
        case PlainSpec():
            spec = architecture.model_dump(exclude_none=True)
        case str() | int() | list() | tuple() | Mapping() if not (
            space is None or isinstance(architecture, bool)
        ):
            spec = {"space": space, "arch": architecture}
        case {"space": _, "arch": _}:
            spec = architecture
        case _:
            raise InputError(
                f"got {abbreviate(architecture)} as an architecture; "
                "expected space and arch, or the argument space"
            )
    return to_json(spec).encode()


def to_json(value: object) -> str:
    """Encode a value as JSON; raises InputError if that is impossible."""
    try:
        return json.dumps(value, separators=(",", ":"), allow_nan=False, default=_plain)
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(f"got {abbreviate(value)}, which is not JSON: {error}") from None


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"it has a {type(value).__name__}")
