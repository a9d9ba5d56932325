"""The files of the web page, read and compressed once."""

import base64
import gzip
import hashlib
import mimetypes
import re
from pathlib import Path

from service.http.negotiation import CompressedContent

STATIC = Path(__file__).parent / "static"
PAGE = "index.html"
VENDOR = "vendor/"

_IMMUTABLE = "public, max-age=31536000, immutable"  # the path holds the version
_REVALIDATED = "no-cache"
_TYPES = {".js": "text/javascript", ".svg": "image/svg+xml"}  # some systems register others
_INLINE_SCRIPT = re.compile(rb'<script type="importmap">(.*?)</script>', re.DOTALL)


def read_assets() -> dict[str, CompressedContent]:
    """Read all files of the page, by their path below the folder ``static``."""
    paths = {path.relative_to(STATIC).as_posix(): path for path in STATIC.rglob("*")}
    return {name: _read(path, name) for name, path in paths.items() if path.is_file()}


def _read(path: Path, name: str) -> CompressedContent:
    media_type = _TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "text/plain"
    content = path.read_bytes()
    return CompressedContent(
        packed=gzip.compress(content, mtime=0),
        plain=content,
        media_type=f"{media_type}; charset=utf-8",
        cache_control=_IMMUTABLE if name.startswith(VENDOR) else _REVALIDATED,
    )


def page_policy() -> str:
    """Write the page's Content-Security-Policy: only this server's own files are loaded.

    The import map of the page has to be an inline script; the policy allows it by its hash.
    """
    hashes = [
        f"'sha256-{base64.b64encode(hashlib.sha256(script).digest()).decode()}'"
        for script in _INLINE_SCRIPT.findall((STATIC / PAGE).read_bytes())
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
