"""Features of architectures: proxies, structure features and the columns of each space.

Importing this package imports no torch; each name below imports what it needs at its first use.
"""

from typing import TYPE_CHECKING

from acorn import lazy_names

if TYPE_CHECKING:
    from acorn.features.extractor import FeatureExtractor, build_seeded, get_extractor
    from acorn.features.feature_table import FeatureRow, FeatureTable, check_settings
    from acorn.features.proxy_settings import ProxySettings
    from acorn.features.recipe import FeatureRecipe

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
        "FeatureExtractor": "acorn.features.extractor",
        "FeatureRecipe": "acorn.features.recipe",
        "FeatureRow": "acorn.features.feature_table",
        "FeatureTable": "acorn.features.feature_table",
        "ProxySettings": "acorn.features.proxy_settings",
        "build_seeded": "acorn.features.extractor",
        "check_settings": "acorn.features.feature_table",
        "get_extractor": "acorn.features.extractor",
    },
)
