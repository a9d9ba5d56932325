"""What the shell offers while somebody types; nothing here imports torch or reads a bundle."""

from acorn.datasets import DATASETS
from acorn.errors import InputError
from acorn.spaces import SPACES
from service.repository.shelf import bundle_paths
from service.settings import load_settings


def spaces() -> list[tuple[str, str]]:
    """Architecture spaces."""
    return [(space.name, space.description) for space in SPACES.values()]


def datasets() -> list[str]:
    """Datasets."""
    return list(DATASETS)


def bundles() -> list[str]:
    """Bundles of the forests folder."""
    try:
        return [path.name for path in bundle_paths(load_settings().forests)]
    except InputError:
        return []
