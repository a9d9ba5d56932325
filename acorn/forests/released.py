"""Where the released bundles are."""

from pathlib import Path

from acorn.forests.bundle import Bundle

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


def load_bundle(name: str) -> Bundle:
    """Load a released bundle.

    Parameters
    ----------
    name
        Name of a released bundle, such as ``"nats_tss-cifar10"``, or the path of any bundle.

    Returns
    -------
    Bundle
        The verified bundle.

    Raises
    ------
    BundleError
        If there is no such bundle, or it does not pass verification.
    """
    released = released_folder() / name
    return Bundle.load(released if released.is_dir() else Path(name))
