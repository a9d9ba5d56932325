"""Identifies the code that structure features follow from, without importing torch."""

import hashlib
import inspect
from functools import cache
from pathlib import Path

from acorn.spaces import get_space


@cache
def code_version(space: str | None) -> str:
    """Hash the code that structure features follow from: that of layer graphs, and of a space.

    Parameters
    ----------
    space : str or None
        Name of a space, whose folder is hashed as well; None for networks of no space.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    files = sorted((Path(__file__).parents[1] / "graph").glob("*.py"))
    if space is not None:
        files.append(Path(inspect.getfile(type(get_space(space)))))
        files += sorted(files[-1].parent.glob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
