"""A bundle of networks that people use, for tests of the page: names of timm, made-up features."""

from pathlib import Path

import polars as pl

from tests.conditions import labels, write_forest

NAMES = (
    *("resnet18", "resnet50", "resnet101", "seresnet50", "resnetrs50"),
    *("vit_tiny_patch16_224", "vit_base_patch16_224", "convnext_tiny", "convnextv2_nano"),
    *("tf_efficientnet_b0", "efficientnet_b1", "tf_efficientnetv2_s", "regnety_016", "regnetx_032"),
    *("swin_tiny", "a_name_that_no_version_of_timm_has"),
)
FORESTS = "forests"


def write_real_networks(folder: Path) -> Path:
    """Write the bundle; returns the folder of forests."""
    clean, throughput = pl.col("imagenet1k.clean"), pl.col("imagenet1k.throughput.gpu")
    frame = labels().with_columns(
        (clean - 8).alias("imagenet1k.real"),
        (clean - 45).alias("imagenet1k.sketch"),
        (throughput / 20).alias("imagenet1k.throughput.cpu"),
    )
    write_forest(folder, frame, {name: number for number, name in enumerate(NAMES)})
    return folder / FORESTS
