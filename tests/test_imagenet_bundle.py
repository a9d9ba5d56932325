"""The released bundle of real networks answers for names, specs and modules."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

import acorn
from acorn.bundle_predictor import BundlePredictor
from acorn.errors import InputError
from acorn.targets import Target

NAME = "universal-imagenet1k"
TARGETS = ["clean", "real", "v2", "imagenet_a", "imagenet_r", "sketch"]
DEVICES = ["rtx4090_amp", "rtx5090_amp", "rtx3090_amp", "i9_10940x_fp32", "i7_12700h_fp32"]


@pytest.fixture(scope="module")
def predictor() -> BundlePredictor:
    return acorn.load_bundle(NAME)


def test_targets_and_conditions(predictor: BundlePredictor) -> None:
    speeds = [f"throughput.{device}" for device in DEVICES]
    assert set(predictor.bundle.targets) == {*TARGETS, *speeds}
    conditions = {condition.name: condition for condition in predictor.bundle.manifest.conditions}
    assert conditions.keys() == {"image_size", "pretraining", "recipe"}
    assert conditions["image_size"].default == 224
    assert conditions["pretraining"].default == "none"
    assert conditions["recipe"].is_optional
    assert {Target.of(name).unit for name in speeds} == {"images/s"}


def test_names_are_answered_without_timm() -> None:
    """In a process where timm cannot be imported, for a family that has no label."""
    code = (
        "import sys; sys.modules['timm'] = None; import acorn; "
        f"p = acorn.load_bundle({NAME!r}).predict([{{'space': 'timm', 'arch': 'convnext_tiny'}}]); "
        "print(p['clean'].value[0], 'torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    value, torch_loaded = done.stdout.split()
    assert 78 < float(value) < 86
    assert torch_loaded == "False"


def test_published_accuracies_of_networks_are_inside(predictor: BundlePredictor) -> None:
    """ResNet-50 reached 76.1 (He et al.) to 80.9 (Wightman et al., 2021) on ImageNet."""
    specs = [{"space": "timm", "arch": name} for name in ("resnet50", "resnet18", "resnet152")]
    clean = predictor.predict(specs)["clean"]
    assert clean.lower[0] < 78.5 < clean.upper[0]
    assert clean.value[1] < clean.value[0] < clean.value[2]
    assert (clean.upper - clean.lower < 12).all()


def test_conditions_matter(predictor: BundlePredictor) -> None:
    spec = [{"space": "timm", "arch": "vit_base_patch16_224"}]
    plain, more = (
        predictor.predict(spec, conditions={"pretraining": kind})["imagenet_r"].value[0]
        for kind in ("none", "image_text")
    )
    assert more > plain + 5
    small, large = (
        predictor.predict([{"space": "timm", "arch": "resnet50"}], conditions={"image_size": size})
        for size in (224, 288)
    )
    assert large["clean"].value[0] > small["clean"].value[0]
    speeds = [p["throughput.rtx3090_amp"].value[0] for p in (small, large)]
    assert speeds[1] < 0.8 * speeds[0]
    with pytest.raises(InputError, match="expected an integer from"):
        predictor.predict(spec, conditions={"image_size": 5000})


def test_recipes_shift_accuracies_alone(predictor: BundlePredictor) -> None:
    """The old recipe of torchvision, none, and a recent one of timm."""
    recipes = ("tv_in1k", "unknown", "ra3_in1k")
    answers = [
        predictor.predict(
            [{"space": "timm", "arch": name} for name in ("convnext_tiny", "resnet50")],
            conditions={"recipe": recipe},
        )
        for recipe in recipes
    ]
    clean = np.array([answer["clean"].value for answer in answers])
    assert (np.diff(clean, axis=0) > 0.2).all()
    # The shift is the same for all networks.
    np.testing.assert_allclose(np.diff(clean, axis=0).std(axis=1), 0, atol=1e-4)
    speeds = [answer["throughput.rtx3090_amp"].value for answer in answers]
    np.testing.assert_allclose(speeds, speeds[:1] * 3)


def bottlenecks(width: int, depth: int) -> nn.Module:
    """A network of the kind of ResNet."""

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(
                nn.Conv2d(4 * width, width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(),
                nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(),
                nn.Conv2d(width, 4 * width, 1, bias=False), nn.BatchNorm2d(4 * width),
            )  # fmt: skip

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.relu(x + self.body(x))

    return nn.Sequential(
        nn.Conv2d(3, 4 * width, 7, 4, 3), nn.BatchNorm2d(4 * width), nn.ReLU(), nn.MaxPool2d(2),
        *(Block() for _ in range(depth)), nn.AvgPool2d(2), *(Block() for _ in range(depth)),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4 * width, 1000),
    )  # fmt: skip


def test_modules(predictor: BundlePredictor) -> None:
    small, large = bottlenecks(64, 3), bottlenecks(160, 6)
    before = {name: tensor.clone() for name, tensor in small.state_dict().items()}
    predicted = predictor.predict([small, large], conditions={"image_size": 256})
    clean, speed = predicted["clean"], predicted["throughput.rtx4090_amp"]
    assert clean.value[0] < clean.value[1]
    assert speed.value[0] > speed.value[1]
    assert (clean.lower < clean.value).all()
    assert small.training
    assert all(torch.equal(before[name], tensor) for name, tensor in small.state_dict().items())


def test_toys_and_cells_are_unknown(predictor: BundlePredictor) -> None:
    toy = nn.Sequential(
        nn.Conv2d(3, 16, 3, 2, 1), nn.ReLU(), nn.Conv2d(16, 32, 3, 2, 1), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 1000),
    )  # fmt: skip
    cell = acorn.build_network(
        {"space": "nats_tss", "arch": "|nor_conv_3x3~0|+|nor_conv_3x3~0|skip_connect~1|"
         "+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|"},
        dataset="cifar100",
    )  # fmt: skip
    known, _ = predictor.in_domain([toy, cell])
    assert not known.any()


def test_families_without_labels_are_known(predictor: BundlePredictor) -> None:
    names = [key for key in predictor.bundle.table.ids if "@" not in key]
    hidden = ("convnext", "xcit", "swin_", "res2", "hrnet", "rexnet", "dla", "pit_", "tresnet")
    specs = [
        {"space": "timm", "arch": arch}
        for arch in (key.partition("/")[2] for key in names)
        if arch.startswith(hidden)
    ]
    assert len(specs) > 40
    assert np.mean(predictor.in_domain(specs)[0]) > 0.9
