"""Layers whose kernels depend on the memory layout: no crash, and the same values in both.

Each list runs in a process of its own, for what goes wrong in a kernel ends the process.
"""

import json
import subprocess
import sys
from typing import Any

import pytest
import torch

CHILD = """
import json, sys
import torch
from torch import nn
from acorn.proxies import run
from acorn.proxies._engine import engine

threads, repeats = int(sys.argv[1]), int(sys.argv[2])
torch.set_num_threads(threads)
PROXIES = ["snip", "grasp", "jacov", "nwot", "grad_norm", "near", "az_expressivity"]


def conv(*sizes, **options):
    return nn.Conv2d(*sizes, **options)


STEMS = {
    **{f"1x1, stride 2, {c} channels": (c, conv(c, 16, 1, stride=2)) for c in (1, 2, 3, 8, 15, 16)},
    "1x1, stride 2, odd output": (3, conv(3, 7, 1, stride=2)),
    "1x1, stride 3": (3, conv(3, 16, 1, stride=3)),
    "1x1, stride (2, 1)": (3, conv(3, 16, 1, stride=(2, 1))),
    "1x1, stride 2, padded": (3, conv(3, 16, 1, stride=2, padding=1)),
    "1x1, stride 2, in groups": (8, conv(8, 16, 1, stride=2, groups=2)),
    "1x1, stride 2, depthwise": (8, conv(8, 8, 1, stride=2, groups=8)),
    "2x2, stride 2": (3, conv(3, 16, 2, stride=2)),
    "3x3, stride 2": (3, conv(3, 16, 3, stride=2, padding=1)),
    "3x3, dilated, stride 2": (3, conv(3, 16, 3, stride=2, dilation=2, padding=2)),
    "3x3, depthwise, stride 2": (6, conv(6, 6, 3, stride=2, groups=6, padding=1)),
    "4x4, stride 4": (3, conv(3, 16, 4, stride=4)),
    "1x7": (1, conv(1, 8, (1, 7), padding=(0, 3))),
    "transposed": (3, nn.ConvTranspose2d(3, 8, 2, stride=2)),
    "transposed, 1x1, stride 2": (3, nn.ConvTranspose2d(3, 8, 1, stride=2)),
    "unit of two stems": (3, None),
}


class Both(nn.Module):
    # a re-parametrised block: two convolutions of one input, added
    def __init__(self):
        super().__init__()
        self.one = conv(3, 16, 1, stride=2)
        self.three = conv(3, 16, 3, stride=2, padding=1)

    def forward(self, x):
        return self.one(x) + self.three(x)


answers = {}
for name, (channels, stem) in STEMS.items():
    print(name, file=sys.stderr, flush=True)
    torch.manual_seed(0)
    stem = Both() if stem is None else stem
    width = stem(torch.zeros(2, channels, 33, 33)).shape[1]
    network = nn.Sequential(
        stem, nn.ReLU(), nn.Conv2d(width, 5, 3), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 4),
    )
    images = torch.randn(4, channels, 64, 64)
    labels = torch.arange(4) % 4
    for layout in ("last", "first"):
        engine.laid_out = {
            "last": lambda x: x.contiguous(memory_format=torch.channels_last),
            "first": lambda x: x.contiguous(),
        }[layout]
        for _ in range(repeats):
            result = run(network, images, labels, num_classes=4, proxies=PROXIES)
            answers.setdefault(name, {}).setdefault(layout, []).append(result.values)
print(json.dumps(answers))
"""


@pytest.mark.slow
@pytest.mark.parametrize("threads", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_both_layouts_agree(threads: int) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", CHILD, str(threads), "1"], capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stderr[-500:]
    for name, answers in json.loads(ended.stdout).items():
        for other in (*answers["last"][1:], *answers["first"]):
            for proxy, value in answers["last"][0].items():
                if value is None:
                    assert other[proxy] is None, (name, proxy)
                else:
                    rounding = 2e-2 if proxy == "grasp" else 1e-3  # its terms cancel
                    assert other[proxy] == pytest.approx(value, rel=rounding), (name, proxy)


def test_the_unsafe_kernel_is_what_is_avoided() -> None:
    """The convolution that the engine runs in place of the unsafe one computes the same."""
    from acorn.proxies._network.operations import Operation, OperationKind, safe_arguments

    torch.manual_seed(0)
    x, weight, bias = torch.randn(2, 3, 9, 7), torch.randn(5, 3, 1, 1), torch.randn(5)
    for stride in (2, 3, (2, 1), (1, 3)):
        arguments: dict[str, Any] = {"input": x, "weight": weight, "bias": bias, "stride": stride}
        operation = Operation(OperationKind.CONVOLUTION, torch.conv2d, arguments)
        safe = safe_arguments(operation)
        assert safe["stride"] == 1
        assert torch.allclose(torch.conv2d(**safe), torch.conv2d(**arguments), atol=1e-6)
    arguments["stride"] = 1
    assert safe_arguments(operation) is arguments
