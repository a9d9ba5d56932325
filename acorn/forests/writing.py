"""Writes bundles atomically, and verifies them before they are moved into place."""

import hashlib
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from acorn.errors import BundleError, InputError
from acorn.forests.bundle import Bundle
from acorn.forests.manifest import MANIFEST, FileEntry, Manifest


def write_bundle(out: Path, contents: Mapping[str, bytes], manifest: Manifest) -> Bundle:
    """Write files and their manifest to a directory; an existing bundle is replaced.

    The bundle is written beside ``out``, loaded to verify it, and then moved into place.

    Parameters
    ----------
    out : pathlib.Path
        Directory of the bundle.
    contents : mapping of str to bytes
        Content of every file except the manifest, by name.
    manifest : Manifest
        The manifest; its entries of files are filled in.

    Returns
    -------
    Bundle
        The bundle, as loaded.

    Raises
    ------
    InputError
        If ``out`` exists and is not a bundle.
    BundleError
        If the bundle that was written cannot be verified or moved.
    """
    out = Path(out)
    if out.exists() and not (out / MANIFEST).is_file() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"got {out}, which is no bundle; expected a new directory, or a bundle")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as scratch:
        new, old = Path(scratch) / "new", Path(scratch) / "old"
        new.mkdir()
        for name, content in contents.items():
            (new / name).write_bytes(content)
        entries = {
            name: FileEntry(sha256=hashlib.sha256(content).hexdigest(), size=len(content))
            for name, content in sorted(contents.items())
        }
        (new / MANIFEST).write_bytes(manifest.model_copy(update={"files": entries}).to_bytes())
        bundle = Bundle.load(new)
        if out.exists():
            out.replace(old)
        try:
            new.replace(out)
        except OSError as error:
            if old.exists():
                old.replace(out)
            raise BundleError(f"cannot move the new bundle to {out}: {error}") from error
        shutil.rmtree(old, ignore_errors=True)
    return bundle
