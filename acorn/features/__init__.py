"""Features of architectures: proxies, structure features and the columns of each space.

Importing this package imports no torch; each name below imports what it needs at its first use.
"""

from typing import TYPE_CHECKING

from acorn import lazy_names

if TYPE_CHECKING:
    from acorn.features.extractor import FeatureExtractor, get_extractor
    from acorn.features.feature_table import FeatureRow, FeatureTable, check_settings
    from acorn.features.proxy_settings import ProxySettings
    from acorn.features.recipe import FeatureRecipe
    from acorn.spaces.building import build_seeded

__all__ = [
    "FeatureExtractor",
    "FeatureRecipe",
    "FeatureRow",
    "FeatureTable",
    "ProxySettings",
    "build_seeded",
    "check_settings",
    "get_extractor",
]

__getattr__ = lazy_names(
    __name__,
    {
        "acorn.features.extractor": ("FeatureExtractor", "get_extractor"),
        "acorn.features.feature_table": ("FeatureRow", "FeatureTable", "check_settings"),
        "acorn.features.proxy_settings": ("ProxySettings",),
        "acorn.features.recipe": ("FeatureRecipe",),
        "acorn.spaces.building": ("build_seeded",),
    },
)
