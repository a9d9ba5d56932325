"""timm's networks by name; all but the first test need the extra."""

import importlib.util
import subprocess
import sys

import pytest
import torch

from acorn.datasets import get_dataset
from acorn.errors import InputError, InvalidArchitectureError
from acorn.graph import count_params, trace
from acorn.spaces import NetworkLimits, get_space
from acorn.spaces.timm import TimmSpace

SPACE = get_space("timm")
CIFAR10 = get_dataset("cifar10")
installed = pytest.mark.skipif(
    importlib.util.find_spec("timm") is None, reason="needs the extra acorn-nas[timm]"
)


def test_without_timm_the_extra_is_named() -> None:
    program = (
        "import sys; sys.modules['timm'] = None\n"
        "from acorn.spaces import get_space\n"
        "from acorn.errors import InputError\n"
        "assert 'torch' not in sys.modules\n"
        "try: get_space('timm').parse('resnet18')\n"
        "except InputError as error: print(error)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    assert result.stdout.strip().endswith("not installed (pip install 'acorn-nas[timm]')")


@pytest.mark.parametrize(
    "spec",
    [
        "hf-hub:timm/resnet18.a1_in1k",
        "hf_hub:timm/resnet18",
        "local-dir:/etc",
        "timm/resnet18",
        "../resnet18",
        "Resnet18",
        "x" * 100_000,
        "",
        None,
        18,
        {"name": "resnet18"},
    ],
)
def test_what_cannot_be_a_name_is_refused_without_asking_timm(spec: object) -> None:
    with pytest.raises(InvalidArchitectureError, match="expected a name that timm"):
        SPACE.parse(spec)


@installed
def test_names() -> None:
    parsed = SPACE.parse(" resnet18\n")
    assert parsed.arch == parsed.canonical == "resnet18"
    assert parsed.id == "timm/resnet18"
    for spec in ("resnet18.a1_in1k", "no_such_network"):
        with pytest.raises(InvalidArchitectureError, match="expected a name that timm"):
            SPACE.parse(spec)


@installed
def test_listing_and_sampling() -> None:
    names = [*SPACE.enumerate()]
    assert "resnet18" in names
    sample = SPACE.sample(20, seed=1)
    assert sample == SPACE.sample(20, seed=1) != SPACE.sample(20, seed=2)
    assert set(sample) <= set(names)
    with pytest.raises(InputError, match="expected a space with mutations"):
        SPACE.mutate("resnet18", seed=0)
    with pytest.raises(InputError, match="expected at most the"):
        SPACE.sample(len(names) + 1, seed=0)


@installed
def test_the_resnet_of_the_paper() -> None:
    """Its 11,689,512 parameters, with a head of 10 instead of 1,000 classes."""
    assert SPACE.cost("resnet18", CIFAR10).params == (11_689_512 - 990 * 513) / 1e6


@installed
@pytest.mark.parametrize("name", ["resnet18", "mobilenetv3_small_050", "vit_tiny_patch16_224"])
@installed
def test_networks_take_the_datasets_images(name: str) -> None:
    dataset = get_dataset("cifar100")
    state = torch.random.get_rng_state()
    cost = SPACE.cost(name, dataset)
    assert torch.equal(state, torch.random.get_rng_state())
    network = SPACE.build(name, dataset)
    assert cost.params == count_params(network) / 1e6
    assert cost.flops == trace(network, dataset.input_shape, keep_dead=True).flops / 1e6
    assert network(torch.randn(2, *dataset.input_shape)).shape == (2, 100)


@installed
def test_a_network_that_needs_larger_images_is_refused() -> None:
    for use in (SPACE.cost, SPACE.build):
        with pytest.raises(InvalidArchitectureError) as caught:
            use("inception_v3", CIFAR10)
        message = str(caught.value)
        assert message.startswith("got 'inception_v3', which does not take 32 x 32 images")
        assert len(message.splitlines()) == 1


@installed
def test_a_network_that_is_too_large_is_refused_before_it_is_built() -> None:
    with pytest.raises(InvalidArchitectureError, match="with 1011216522 parameters; expected"):
        SPACE.build("vit_giant_patch14_224", CIFAR10)
    with pytest.raises(InvalidArchitectureError, match="expected at most 1000"):
        TimmSpace(NetworkLimits(flops=1_000)).build("resnet18", CIFAR10)


@installed
def test_nothing_is_pretrained() -> None:
    """Two seeds, two sets of weights."""
    weights = []
    for seed in (0, 1, 1):
        torch.manual_seed(seed)
        weights.append(SPACE.build("resnet18", CIFAR10).conv1.weight)
    assert not torch.equal(weights[0], weights[1])
    assert torch.equal(weights[1], weights[2])
