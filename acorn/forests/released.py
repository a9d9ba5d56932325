"""Where the released bundles are."""

from pathlib import Path

from acorn.forests.manifest import MANIFEST

_PACKAGE = Path(__file__).parents[1]


def released_folder() -> Path:
    """Folder of the released bundles, one a subfolder.

    Returns
    -------
    pathlib.Path
        ``acorn/released`` of an installed wheel; ``models/released`` of a checkout.
    """
    installed = _PACKAGE / "released"
    return installed if installed.is_dir() else _PACKAGE.parent / "models" / "released"


def find_bundle(name: str | Path) -> Path:
    """Find the folder of a bundle.

    Parameters
    ----------
    name : str or pathlib.Path
        Path of a bundle, or name of a released one, such as ``nats_tss-cifar10``.

    Returns
    -------
    pathlib.Path
        The path itself if neither is there.
    """
    path, released = Path(name), released_folder() / name
    return path if (path / MANIFEST).is_file() or not released.is_dir() else released
