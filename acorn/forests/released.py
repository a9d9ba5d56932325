"""Where the released bundles are."""

from pathlib import Path

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
