"""The page's files, read and compressed once, so that sending one costs no more than a refusal."""

import base64
import gzip
import hashlib
import mimetypes
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from service.http.negotiation import VARY

STATIC = Path(__file__).parent / "static"
PAGE = "index.html"
VENDOR = "vendor/"

_FOREVER = "public, max-age=31536000, immutable"  # the version stands in the address
_ASK_FIRST = "no-cache"  # kept, and compared by ETag before it is used
_COMPRESSED = (".css", ".html", ".js", ".svg")
_TYPES = {".js": "text/javascript", ".svg": "image/svg+xml"}  # which some systems say otherwise
_INLINE = re.compile(rb'<script type="importmap">(.*?)</script>', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Asset:
    """One file.

    Attributes
    ----------
    content
        Its bytes.
    packed
        The same under gzip; None where that would save nothing.
    headers
        Type, ETag and what caches may do.
    """

    content: bytes
    packed: bytes | None
    headers: Mapping[str, str]

    @classmethod
    def read(cls, path: Path, name: str) -> Self:
        """Read a file that the page calls ``name``."""
        content = path.read_bytes()
        media_type = _TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "text/plain"
        return cls(
            content,
            gzip.compress(content, mtime=0) if path.suffix in _COMPRESSED else None,
            {
                "Content-Type": f"{media_type}; charset=utf-8",
                "ETag": f'W/"{hashlib.sha256(content).hexdigest()[:32]}"',
                "Cache-Control": _FOREVER if name.startswith(VENDOR) else _ASK_FIRST,
                "Vary": VARY,
                "X-Content-Type-Options": "nosniff",
            },
        )


def read_assets(folder: Path = STATIC) -> dict[str, Asset]:
    """Read all files below a folder; their names are relative to it."""
    names = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*")}
    return {name: Asset.read(path, name) for name, path in names.items() if path.is_file()}


def page_policy(page: bytes) -> str:
    """Write the page's Content-Security-Policy: nothing but this server's own files.

    The one script inside the page is its import map, which has to stand there; it is allowed by its
    hash.
    """
    hashes = [
        f"'sha256-{base64.b64encode(hashlib.sha256(inside).digest()).decode()}'"
        for inside in _INLINE.findall(page)
    ]
    return "; ".join(
        [
            "default-src 'self'",
            " ".join(["script-src 'self'", *hashes]),
            "img-src 'self' data:",
            "object-src 'none'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ]
    )
