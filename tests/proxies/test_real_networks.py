"""Networks of torchvision and timm: the same architecture has the same values in both.

Needs torchvision and timm, in an environment of their own.
"""

import json
import subprocess
import sys
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from acorn.proxies import ProxyValues, compute_proxies, list_proxies

torchvision = pytest.importorskip("torchvision", reason="needs torchvision")
timm = pytest.importorskip("timm", reason="needs timm")

Build = Callable[[], nn.Module]

CLASSES = 5
BLOCKS = {"az_expressivity", "az_progressivity", "az_trainability"}
MODULES = {"meco", "meco_opt"}
"""Count the outputs of modules, empty ones (``nn.Identity``) and containers among them."""


def from_torchvision(name: str, **options: object) -> Build:
    return lambda: torchvision.models.get_model(name, weights=None, num_classes=CLASSES, **options)


def from_timm(name: str, **options: object) -> Build:
    return lambda: timm.create_model(name, num_classes=CLASSES, **options)


def torchvision_swin() -> nn.Module:
    return torchvision.models.SwinTransformer(
        [4, 4], 24, [2, 2], [2, 4], [4, 4], num_classes=CLASSES, stochastic_depth_prob=0.0
    )


def timm_swin() -> nn.Module:
    return timm.models.swin_transformer.SwinTransformer(
        64, 4, num_classes=CLASSES, embed_dim=24, depths=(2, 2), num_heads=(2, 4), window_size=4,
        drop_path_rate=0.0,
    )  # fmt: skip


def values_of(build: Build, side: int) -> ProxyValues:
    torch.manual_seed(0)
    network = build()
    images = torch.randn(4, 3, side, side, generator=torch.Generator().manual_seed(1))
    return compute_proxies(
        network, (3, side, side), CLASSES, images=images, initialisation="canonical"
    )


NESTED = {*MODULES, *BLOCKS}
"""Proxies that differ where the libraries nest their modules otherwise: blocks are modules."""

# Name, both ways, side of the images, proxies that differ.
TWINS: list[tuple[str, Build, Build, int, set[str]]] = [
    ("resnet18", from_torchvision("resnet18"), from_timm("resnet18"), 32, MODULES),
    (
        "mobilenet_v2",
        from_torchvision("mobilenet_v2", dropout=0.0),
        from_timm("mobilenetv2_100"),
        32,
        NESTED,
    ),
    (
        "efficientnet_b0",
        from_torchvision("efficientnet_b0", dropout=0.0, stochastic_depth_prob=0.0),
        from_timm("efficientnet_b0"),
        32,
        # Quotients of small differences, and signs of small gradients, move with rounding.
        {*NESTED, "eznas_a_data", "zico"},
    ),
    (
        "swin",
        torchvision_swin,
        timm_swin,
        64,
        # timm draws its tables of positions anew, and keeps no feature maps between its blocks.
        {*MODULES, "croze", "swap", "eznas_a_data", "zico"},
    ),
]


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("first", "second", "side", "differ"), [row[1:] for row in TWINS], ids=[r[0] for r in TWINS]
)
def test_libraries_agree(first: Build, second: Build, side: int, differ: set[str]) -> None:
    one, other = values_of(first, side), values_of(second, side)
    wrong = {}
    for proxy, value in one.values.items():
        got = other.values[proxy]
        equal = value == got if None in (value, got) else got == pytest.approx(value, rel=1e-3)
        if not equal and proxy not in differ:
            wrong[proxy] = (value, got, other.reasons.get(proxy))
    assert not wrong


class GlobalFilter(nn.Module):
    """Tokens that are mixed by a learned filter of their spectrum (Rao et al., NeurIPS 2021)."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 24, 4, stride=4)
        self.filters = nn.ParameterList([torch.randn(8, 5, 24, 2) * 0.02 for _ in range(2)])
        self.norms = nn.ModuleList(nn.LayerNorm(24) for _ in range(2))
        self.mlps = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(24), nn.Linear(24, 48), nn.GELU(), nn.Linear(48, 24))
            for _ in range(2)
        )
        self.head = nn.Linear(24, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        y = self.patches(x).permute(0, 2, 3, 1)
        for weight, norm, mlp in zip(self.filters, self.norms, self.mlps, strict=True):
            spectrum = torch.fft.rfft2(norm(y), dim=(1, 2), norm="ortho")
            spectrum = spectrum * torch.view_as_complex(weight.to(torch.float32)).to(spectrum.dtype)
            mixed = torch.fft.irfft2(spectrum, s=y.shape[1:3], dim=(1, 2), norm="ortho")
            y = y + mixed.to(y.dtype)
            y = y + mlp(y)
        return self.head(y.mean((1, 2)))


def vit() -> nn.Module:
    return timm.models.vision_transformer.VisionTransformer(
        32, 4, num_classes=CLASSES, embed_dim=48, depth=3, num_heads=3
    )


def swin() -> nn.Module:
    return timm.models.swin_transformer.SwinTransformer(
        32, 2, num_classes=CLASSES, embed_dim=24, depths=(2, 2), num_heads=(2, 4), window_size=4
    )


def mixer(**options: object) -> Build:
    return lambda: timm.models.mlp_mixer.MlpMixer(
        CLASSES, 32, patch_size=4, num_blocks=3, embed_dim=48, **options
    )


def gmlp() -> nn.Module:
    mixing = timm.models.mlp_mixer
    return mixer(mlp_ratio=4, block_layer=mixing.SpatialGatingBlock, mlp_layer=mixing.GatedMlp)()


def conv_mixer() -> nn.Module:
    return timm.models.convmixer.ConvMixer(32, 3, kernel_size=5, patch_size=2, num_classes=CLASSES)


TOKENS = {*BLOCKS, "eznas_a_data", "swap"}
"""Defined on feature maps, which these networks have one of."""
SMALL: list[tuple[str, Build, set[str]]] = [
    ("vit", vit, TOKENS),
    ("swin", swin, TOKENS),
    ("mixer", mixer(), TOKENS),
    ("gmlp", gmlp, TOKENS),
    ("conv_mixer", conv_mixer, set()),
    ("global_filter", GlobalFilter, {*BLOCKS, "eznas_a_data"}),
]


@pytest.mark.timeout(900)
@pytest.mark.parametrize(("build", "nulls"), [r[1:] for r in SMALL], ids=[r[0] for r in SMALL])
def test_small_images_lose_no_proxy(build: Build, nulls: set[str]) -> None:
    result = values_of(build, 32)
    assert set(result.values) == set(list_proxies())
    missing = {proxy for proxy, value in result.values.items() if value is None}
    assert missing <= nulls, result.reasons
    assert not missing & MODULES
    for note in result.notes.values():
        assert "on an image of 32 x 32 pixels" in note


CHILD = """
import json, sys
import timm, torch
from acorn.proxies import compute_proxies

name, threads, repeats = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
torch.set_num_threads(threads)
torch.manual_seed(0)
network = timm.create_model(name, num_classes=5)
size = network.default_cfg.get("input_size", (3, 224, 224)) if hasattr(network, "default_cfg") \\
    else (3, 224, 224)
images = torch.randn(4, *size)
values = [
    compute_proxies(network, tuple(size), 5, images=images, proxies=["nwot", "snip"]).values
    for _ in range(repeats)
]
print(json.dumps(values))
"""

STEMS = ("mobileone_s0", "repvgg_a0", "fastvit_t8", "gernet_s")
"""Networks whose stem has a strided 1x1 convolution on the image."""


@pytest.mark.timeout(900)
@pytest.mark.parametrize(("name", "threads"), [*zip(STEMS, (1, 2, 1, 2), strict=True)])
def test_strided_stems_end_no_process(name: str, threads: int) -> None:
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CHILD, name, str(threads), "2"],
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr[-500:]
    first, *others = json.loads(ended.stdout)
    assert None not in first.values()
    assert all(other == pytest.approx(first, rel=1e-5) for other in others)
