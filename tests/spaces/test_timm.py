"""timm's networks by name; all but the first test need the extra."""

import importlib.util
import math
import subprocess
import sys

import pytest
import torch

from acorn.batches import embedded_batch
from acorn.datasets import get_dataset
from acorn.errors import InputError, InvalidArchitectureError
from acorn.features.extractor import FeatureExtractor
from acorn.graph import count_params, trace
from acorn.spaces import NetworkLimits, get_space
from acorn.spaces.timm import TimmSpace

SPACE = get_space("timm")
CIFAR10 = get_dataset("cifar10")
installed = pytest.mark.skipif(
    importlib.util.find_spec("timm") is None, reason="needs the extra acorn-nas[timm]"
)


def test_names_of_tables_are_parsed_without_timm() -> None:
    program = (
        "import sys; sys.modules['timm'] = None\n"
        "from acorn.datasets import get_dataset\n"
        "from acorn.spaces import get_space, recognise_ids\n"
        "from acorn.errors import InputError\n"
        "recognise_ids(['timm/resnet18@288', 'nats_sss/8:8:8:8:8'])\n"
        "print(get_space('timm').parse('resnet18').id)\n"
        "try: get_space('timm').cost('resnet18', get_dataset('imagenet1k'))\n"
        "except InputError as error: print(error)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    first, second = result.stdout.splitlines()
    assert first == "timm/resnet18"
    assert second.endswith("not installed (pip install 'acorn-nas[timm]')")


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
@pytest.mark.parametrize("name", ["resnet18", "vit_tiny_patch16_224"])
def test_networks_take_images_of_several_sizes(name: str) -> None:
    dataset = get_dataset("imagenet1k")
    extractor = FeatureExtractor(dataset, embedded_batch(dataset, size=2), proxies=[], device="cpu")
    rows = [extractor.compute(SPACE, name, image_size=size) for size in (None, 288)]
    assert [row.id for row in rows] == [f"timm/{name}", f"timm/{name}@288"]
    costs = [SPACE.cost(name, dataset.at(size)) for size in (None, 288)]
    assert costs[0].flops * 1.5 < costs[1].flops
    for row, cost in zip(rows, costs, strict=True):
        params = row.values["graph.log_params"]
        assert params is not None
        assert round(math.expm1(params)) == round(cost.params * 1e6)
    if name == "resnet18":
        assert costs[0].params == 11.689512


@installed
def test_large_networks_take_large_images() -> None:
    dataset = get_dataset("imagenet1k")
    assert SPACE.cost("vit_giant_patch14_224", dataset).params == pytest.approx(1012, rel=0.01)


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
    with pytest.raises(InvalidArchitectureError, match="with more than 150000000 parameters"):
        SPACE.build("vit_giant_patch14_224", CIFAR10)
    with pytest.raises(InvalidArchitectureError, match="with more than 1000 FLOPs"):
        TimmSpace(NetworkLimits(flops=1_000)).build("resnet18", CIFAR10)


@installed
def test_nothing_is_pretrained() -> None:
    """Two seeds, two sets of weights."""
    weights = []
    for seed in (0, 1, 1):
        torch.manual_seed(seed)
        weights.append(SPACE.build("resnet18", CIFAR10).get_parameter("conv1.weight"))
    assert not torch.equal(weights[0], weights[1])
    assert torch.equal(weights[1], weights[2])
