"""JSON files that are checked against a type."""

from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from acorn.errors import InvalidTableError

T = TypeVar("T")


def read_json(path: Path, kind: type[T], what: str) -> T:
    """Read a JSON file.

    Parameters
    ----------
    path : pathlib.Path
        File to read.
    kind : type
        Type of the content, as pydantic understands it.
    what : str
        What the file holds, for error messages.

    Returns
    -------
    object
        Content of the given type.

    Raises
    ------
    InvalidTableError
        If the file cannot be read or holds something else; the message names the first place.
    """
    try:
        return TypeAdapter(kind).validate_json(path.read_bytes())
    except OSError as error:
        raise InvalidTableError(f"cannot read {what} from {path}: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = "/".join(map(str, first["loc"])) or "the whole"
        raise InvalidTableError(f"{path} holds no {what}: at {place}: {first['msg']}") from error
