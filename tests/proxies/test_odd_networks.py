"""Each proxy works on every network, or is null with a reason; none takes others with it."""

import copy
import math
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils import prune

from acorn.errors import InputError
from acorn.proxies import ProxyValues, compute_proxies, list_proxies, run
from acorn.proxies.fisher import Fisher
from acorn.proxies.nwot import Nwot
from tests.proxies.odd_networks import NormAct, Returning, fused, odd_networks, plain_network
from tests.proxies.small import batch
from tests.proxies.test_state import assert_unchanged, fingerprint

BLOCKS = {"az_expressivity", "az_progressivity", "az_trainability"}
RECTIFIERS = {"eznas_a_data", "nwot", "nwot_noise", "swap"}

NULLS = {
    "siamese": set(),
    "auxiliary_head": set(),
    "named_output": set(),
    "windows": set(),
    "norm_act": set(),
    "map_norm": RECTIFIERS,
    "wandering": set(),
    "unused": {*BLOCKS, "epe_nas", "eznas_a_data", "jacov", "robust_zcp", "vkdnw"},
    "frozen": set(),
    "weight_norm": set(),
    "spectral_norm": set(),
    "channels_last": set(),
    "evaluating": set(),
    "dropout": set(),
    "attention": {*BLOCKS, "eznas_a_data", "swap"},
    "joined": set(),
    "functional": set(),
    "tuples": set(),
    "value_reading": {*BLOCKS, *RECTIFIERS},
    "linear": {*BLOCKS, *RECTIFIERS, "eznas_a", "eznas_a_closed", "zen"},
    "one_channel": set(),
    "no_rectifier": RECTIFIERS,
    "norm_at_one_pixel": set(),
    "upsampling": BLOCKS,
    "reflecting": set(),
    "plain_batch_norm": set(),
}
MAY = {
    "one_channel": {"robust_zcp"},  # has no curvature where its few rectifiers are off
}
NOWHERE = {"tuple_output", "dict_output", "empty_feature_map"}
"""Networks that give no logits."""


@pytest.fixture(scope="module")
def plain_values() -> dict[str, float | None]:
    torch.manual_seed(0)
    return compute_proxies(plain_network(), (3, 8, 8), 4, images=batch()[0]).values


def refused(network: nn.Module) -> str:
    """What a network is refused with, in whichever way proxies are asked for."""
    before = fingerprint(network)
    messages = set()
    for names in ("all", "snip", ["l2_norm"], ["flops"]):
        with pytest.raises(InputError) as caught:
            compute_proxies(network, (3, 8, 8), 4, images=batch()[0], proxies=names)
        messages.add(str(caught.value))
    assert_unchanged(network, before)
    (message,) = messages
    assert "\n" not in message
    return message


def assert_value_or_reason(result: ProxyValues) -> set[str]:
    """Check that each proxy has one of them, and give those that are null."""
    assert set(result.values) == set(list_proxies())
    missing = {proxy for proxy, value in result.values.items() if value is None}
    assert missing == set(result.reasons)
    assert all(math.isfinite(v) for v in result.values.values() if v is not None)
    assert all(reason and "\n" not in reason for reason in result.reasons.values())
    return missing


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] * (place % 5 > 0))
        for place, name in enumerate(NULLS)
    ],
)
def test_value_or_reason(name: str) -> None:
    network = odd_networks()[name]
    images, labels = batch()
    before = fingerprint(network)
    result = compute_proxies(network, (3, 8, 8), 4, images=images, labels=labels)
    assert_unchanged(network, before)
    missing = assert_value_or_reason(result)
    assert NULLS[name] <= missing <= NULLS[name] | MAY.get(name, set()), result.reasons


def test_every_network_is_looked_at() -> None:
    assert odd_networks().keys() == NULLS.keys() | NOWHERE


@pytest.mark.parametrize("name", ["tuple_output", "dict_output"])
def test_an_output_without_logits_is_named(name: str) -> None:
    kind = name.removesuffix("_output")
    assert f"got {kind} from the network; expected logits" in refused(odd_networks()[name])


def test_images_that_are_too_small() -> None:
    message = refused(odd_networks()["empty_feature_map"])
    assert message.startswith("got Sequential whose forward fails on images (6, 3, 8, 8): ")
    assert "Kernel size can't be greater" in message


def test_logits_count_wherever_they_are() -> None:
    def values(network: nn.Module) -> dict[str, float | None]:
        names = ["snip", "jacov", "grasp", "nwot", "synflow", "vkdnw", "croze", "zico"]
        return run(network, *batch(), num_classes=4, proxies=names).values

    torch.manual_seed(0)
    network = Returning(lambda logits: {"aux": None, "logits": logits})
    assert values(network) == values(network.network)


def test_a_norm_that_rectifies_as_well_keeps_doing_so() -> None:
    """Only its normalisation is bypassed, measured, or given another second derivative."""
    torch.manual_seed(0)
    network = fused()
    apart = nn.Sequential()
    for layer in network:
        apart.append(layer)
        if isinstance(layer, NormAct):
            plain = nn.BatchNorm2d(layer.num_features)
            plain.load_state_dict(layer.state_dict(), strict=False)
            apart[-1] = plain
            apart.append(nn.ReLU(inplace=True))
    names = ["snip", "grasp", "jacov", "nwot", "synflow", "croze", "zen", "zico", "eznas_a_data"]
    one, other = (
        run(each, *batch(), num_classes=4, proxies=names).values for each in (network, apart)
    )
    assert one == pytest.approx(other, rel=1e-4)
    assert other["nwot"] is not None


def test_a_proxy_that_fails_on_a_layer_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise KeyError("this layer")

    for observer, method in ((Nwot, "on_activation"), (Fisher, "on_gradient")):
        monkeypatch.setattr(observer, method, fail)
    result = run(plain_network(), *batch(), num_classes=4)
    assert set(result.reasons) == {"nwot", "nwot_noise", "fisher"}
    assert result.reasons["fisher"] == "ValueError: on_gradient: 'this layer'"


def test_frozen_parameters_and_modes_change_nothing(plain_values: dict[str, float | None]) -> None:
    torch.manual_seed(0)
    network = plain_network().eval().requires_grad_(False)
    assert run(network, *batch(), num_classes=4).values == plain_values


def test_a_computed_weight_counts_as_the_layer_uses_it(
    plain_values: dict[str, float | None],
) -> None:
    torch.manual_seed(0)
    network = plain_network()
    nn.utils.parametrizations.weight_norm(network[3])
    normed = compute_proxies(network, (3, 8, 8), 4, images=batch()[0]).values
    assert normed == pytest.approx(plain_values, rel=1e-3)
    assert nn.utils.parametrize.is_parametrized(network[3])


@pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")
def test_older_weight_normalisation_counts_as_the_layer_uses_it(
    plain_values: dict[str, float | None],
) -> None:
    torch.manual_seed(0)
    network = plain_network()
    nn.utils.weight_norm(network[3])
    before = fingerprint(network)
    normed = compute_proxies(network, (3, 8, 8), 4, images=batch()[0])
    assert_unchanged(network, before)
    assert normed.reasons == {}
    assert normed.values == pytest.approx(plain_values, rel=1e-3)
    assert [name for name, _ in network[3].named_parameters()] == ["bias", "weight_g", "weight_v"]


@pytest.mark.parametrize("kind", ["spectral_norm", "pruning"])
def test_other_weights_of_torch_s_hooks_count_as_the_layer_uses_them(kind: str) -> None:
    torch.manual_seed(0)
    network = plain_network()
    plain: Any = copy.deepcopy(network)
    if kind == "pruning":
        prune.random_unstructured(network[3], "weight", amount=0.5)
    else:
        nn.utils.spectral_norm(network[3])
        for _ in range(20):  # until its estimate stays
            network(batch()[0])
        network.eval()(batch()[0])
    weight: Any = network[3].weight
    plain[3].weight = nn.Parameter(weight.detach().clone())
    for norm in (1, 4, 7):  # their running statistics moved
        plain[norm].load_state_dict(network[norm].state_dict())
    before = fingerprint(network)
    got = compute_proxies(network, (3, 8, 8), 4, images=batch()[0])
    assert_unchanged(network, before)
    assert got.values == pytest.approx(
        compute_proxies(plain, (3, 8, 8), 4, images=batch()[0]).values, rel=1e-3
    )


def test_a_weight_that_an_unknown_hook_computes_is_refused() -> None:
    def compute(layer: Any, _inputs: object) -> None:
        layer.weight = 2 * layer.smaller

    network: Any = plain_network()
    network[3].smaller = nn.Parameter(network[3].weight.detach() / 2)
    del network[3].weight
    network[3].register_forward_pre_hook(compute)
    message = refused(network)
    assert 'got module "3" whose weight is no parameter but computed' in message


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_precisions(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    network = plain_network().to(dtype)
    before = fingerprint(network)
    result = compute_proxies(network, (3, 8, 8), 4)
    assert_unchanged(network, before)
    assert assert_value_or_reason(result) <= {"zen"}, result.reasons
    single = compute_proxies(network.float(), (3, 8, 8), 4)
    assert result.values["snip"] == pytest.approx(single.values["snip"], rel=0.1)


@pytest.mark.parametrize("size", [(1, 8, 8), (3, 7, 11), (3, 5, 5), (6, 9, 9)])
def test_odd_input_sizes(size: tuple[int, int, int]) -> None:
    torch.manual_seed(0)
    images, labels = torch.randn(6, *size), torch.arange(6) % 4
    result = run(plain_network(size[0]), images, labels, num_classes=4)
    allowed = {"eznas_a_data"} if size[1] != size[2] else set()
    assert set(result.reasons) == allowed


def test_one_pixel() -> None:
    result = run(plain_network(), torch.randn(6, 3, 1, 1), torch.arange(6) % 4, num_classes=4)
    assert {"zen"} <= assert_value_or_reason(result) <= {"zen", "nwot_noise", "nwot"}


def test_a_single_class() -> None:
    result = run(plain_network(1, 1), batch()[0][:, :1], torch.zeros(6).long(), num_classes=1)
    assert {"vkdnw"} <= assert_value_or_reason(result) <= {"vkdnw", "robust_zcp"}
    assert "a single class carries no information" in result.reasons["vkdnw"]


def test_many_classes() -> None:
    result = run(plain_network(3, 500), *batch(), num_classes=500)
    assert assert_value_or_reason(result) == set()


def test_a_module_that_was_never_run() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.LazyLinear(4))
    with pytest.raises(InputError, match="got a module with uninitialised parameters"):
        compute_proxies(network, (3, 8, 8), 4)


def test_integer_parameters_and_missing_ones() -> None:
    network: Any = plain_network()
    network[3].bias = None
    network.register_parameter("table", nn.Parameter(torch.arange(3), requires_grad=False))
    before = fingerprint(network)
    assert assert_value_or_reason(run(network, *batch(), num_classes=4)) == set()
    assert_unchanged(network, before)


def test_two_images_are_enough_and_one_is_not_for_all() -> None:
    network = odd_networks()["joined"]
    two = run(network, *batch(2), num_classes=4)
    assert two.values["zico"] is not None
    one = run(network, *batch(1), num_classes=4)
    assert {"zico", "near", "swap"} <= set(one.reasons)
    assert one.values["snip"] is not None
