"""Values that the shell offers for an option, found without torch and without reading a bundle."""

from acorn.datasets import DATASETS
from acorn.errors import InputError
from acorn.spaces import SPACES


def spaces() -> list[tuple[str, str]]:
    """Architecture spaces."""
    return [(space.name, space.description) for space in SPACES.values()]


def datasets() -> list[str]:
    """Datasets."""
    return list(DATASETS)


def devices() -> list[str]:
    """Devices."""
    return ["auto", "cpu", "cuda"]


def bundles() -> list[str]:
    """Bundles of the forests folder."""
    from service.repository.model_repository import bundle_paths
    from service.settings import load_settings

    try:
        return [path.name for path in bundle_paths(load_settings().forests)]
    except InputError:
        return []
