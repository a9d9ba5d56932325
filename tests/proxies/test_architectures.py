"""Published architectures, without weights: each proxy is a number or null with a reason.

Needs torchvision and timm, which nothing else here does. Images are small and some networks narrow,
so that all of them take a minute or two.
"""

import math
from collections.abc import Callable

import pytest
import torch
from torch import nn

from acorn.proxies import compute_proxies, list_proxies
from tests.proxies.test_state import assert_unchanged, fingerprint

torchvision = pytest.importorskip("torchvision", reason="needs torchvision")
timm = pytest.importorskip("timm", reason="needs timm")

CLASSES = 5
BATCH = 4

BLOCKS = {"az_expressivity", "az_progressivity", "az_trainability"}
ZERO_HEAD = {
    *BLOCKS, "eznas_a_closed", "eznas_a_data", "epe_nas", "jacov", "robust_zcp", "swap", "synflow",
}  # fmt: skip
"""Null in transformers whose last layer starts at zero: no logit hangs on the image yet."""


def from_torchvision(name: str, **options: object) -> Callable[[], nn.Module]:
    return lambda: torchvision.models.get_model(name, weights=None, num_classes=CLASSES, **options)


def from_timm(name: str, **options: object) -> Callable[[], nn.Module]:
    return lambda: timm.create_model(name, num_classes=CLASSES, **options)


def vgg(*, batch_norm: bool) -> nn.Module:
    from torchvision.models.vgg import VGG, make_layers

    plan = [16, "M", 32, "M", 64, 64, "M"]
    network = VGG(make_layers(plan, batch_norm), num_classes=CLASSES, init_weights=False)
    network.classifier = nn.Sequential(
        nn.Linear(64 * 49, 32), nn.ReLU(True), nn.Dropout(), nn.Linear(32, CLASSES)
    )
    return network


def densenet() -> nn.Module:
    return torchvision.models.DenseNet(8, (2, 2, 2, 2), 16, num_classes=CLASSES)


def vision_transformer() -> nn.Module:
    return torchvision.models.VisionTransformer(64, 16, 2, 2, 32, 64, num_classes=CLASSES)


def swin() -> nn.Module:
    return torchvision.models.SwinTransformer(
        [4, 4], 24, [2, 2], [2, 2], [4, 4], num_classes=CLASSES
    )


# Name, network, side of its images, proxies that are null.
ARCHITECTURES: list[tuple[str, Callable[[], nn.Module], int, set[str]]] = [
    ("resnet18", from_torchvision("resnet18"), 32, set()),
    ("densenet", densenet, 32, set()),
    ("mobilenet_v2", from_torchvision("mobilenet_v2", width_mult=0.35), 32, set()),
    ("mobilenet_v3", from_torchvision("mobilenet_v3_small"), 32, set()),
    ("vit", vision_transformer, 64, ZERO_HEAD),
    ("swin", swin, 64, {*BLOCKS, "eznas_a_data"}),
    ("shufflenet_v2", from_torchvision("shufflenet_v2_x0_5"), 32, set()),
    ("squeezenet", from_torchvision("squeezenet1_1"), 32, set()),
    ("vgg", lambda: vgg(batch_norm=False), 32, set()),
    ("vgg_bn", lambda: vgg(batch_norm=True), 32, set()),
    ("googlenet", from_torchvision("googlenet", init_weights=False), 64, set()),
    ("mnasnet", from_torchvision("mnasnet0_5"), 32, set()),
    ("efficientnet", from_timm("tinynet_e"), 32, set()),
    ("regnet", from_timm("regnetx_002"), 32, set()),
    ("convnext", from_timm("convnext_atto"), 32, set()),
    ("mixer", from_timm("mixer_s32_224", img_size=64), 64, ZERO_HEAD),
    ("ghostnet", from_timm("ghostnet_050"), 32, set()),
    ("repvgg", from_timm("repvgg_a0"), 32, set()),
    ("coatnet", from_timm("coatnet_pico_rw_224", img_size=64), 64, set()),
    ("poolformer", from_timm("poolformer_s12"), 32, set()),
    ("xcit", from_timm("xcit_nano_12_p16_224"), 64, BLOCKS),
    ("mobilevit", from_timm("mobilevit_xxs"), 64, {"az_trainability"}),
    ("levit", from_timm("levit_128s", img_size=64), 64, set()),
    ("pvt_v2", from_timm("pvt_v2_b0"), 64, {"eznas_a_closed", "eznas_a_data", "swap"}),
    ("nfnet", from_timm("test_nfnet"), 32, {"synflow"}),
    ("byobnet", from_timm("test_byobnet"), 32, set()),
    ("resmlp", from_timm("resmlp_12_224", img_size=64), 64, ZERO_HEAD),
    ("mambaout", from_timm("test_mambaout"), 32, {"az_trainability"}),
]


@pytest.mark.timeout(900)  # seconds of a machine that has other work to do
@pytest.mark.parametrize(
    ("build", "side", "nulls"),
    [row[1:] for row in ARCHITECTURES],
    ids=[row[0] for row in ARCHITECTURES],
)
def test_value_or_reason(build: Callable[[], nn.Module], side: int, nulls: set[str]) -> None:
    torch.manual_seed(0)
    network = build()
    images = torch.randn(BATCH, 3, side, side)
    before = fingerprint(network)
    result = compute_proxies(network, (3, side, side), CLASSES, images=images)
    assert_unchanged(network, before)
    assert set(result.values) == set(list_proxies())
    missing = {name for name, value in result.values.items() if value is None}
    assert missing == set(result.reasons)
    assert all(math.isfinite(v) for v in result.values.values() if v is not None)
    assert all(reason and "\n" not in reason for reason in result.reasons.values())
    assert missing == nulls, result.reasons
