"""A network is the user's: after any call it is bit for bit as it was, and it still runs."""

import copy
import inspect
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from acorn.errors import InputError
from acorn.proxies import ProxyValues, compute_proxies, list_proxies
from tests.proxies.zoo import SHAPES, ZOO, Base, Swish, plain

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning"),
    pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning"),  # torch.compile's own
    pytest.mark.filterwarnings("ignore:.*None of the inputs have requires_grad:UserWarning"),
]

SETS = [["flops"], ["synflow"], ["croze"], ["zen"], ["snip", "jacov", "grasp", "nwot"], ["vkdnw"],
        ["meco", "meco_opt"], ["az_trainability", "near", "swap", "robust_zcp"]]  # fmt: skip
"""Small sets that read different passes; each network gets two of them, and all together.
The slow test gives each network all of them."""


def built(name: str) -> nn.Module:
    torch.manual_seed(0)
    return ZOO[name]()


def inputs(name: str, network: nn.Module) -> dict[str, Any]:
    shape = SHAPES.get(name, (3, 8, 8))
    dtype = next(network.parameters()).dtype
    images = torch.randn(6, *shape, generator=torch.Generator().manual_seed(1)).to(dtype)
    return {"input_shape": shape, "num_classes": 4, "images": images}


def objects(value: Any, seen: set[int]) -> Iterator[tuple[str, Any]]:
    """Everything that a network holds, by path, each object once."""
    if id(value) in seen:
        return
    seen.add(id(value))
    yield "", value
    parts: Any = ()
    if isinstance(value, Tensor):
        parts = [("grad", value.grad)] if value.is_leaf else ()
    elif isinstance(value, dict):
        parts = [(repr(key) if isinstance(key, str | int) else "key", value[key]) for key in value]
    elif isinstance(value, list | tuple):
        parts = [(str(place), item) for place, item in enumerate(value)]
    elif callable(value) and getattr(value, "__closure__", None):
        parts = [(f"cell {n}", c.cell_contents) for n, c in enumerate(value.__closure__)]
    elif hasattr(value, "__dict__") and not isinstance(value, type):
        parts = vars(value).items()
    for name, part in parts:
        for path, item in objects(part, seen):
            yield f"{name}.{path}", item


def state_of(network: nn.Module) -> dict[str, Any]:
    """All that a call could change: objects by identity, tensors also by their bits."""
    state: dict[str, Any] = {}
    for path, value in objects(network, set()):
        if isinstance(value, Tensor):
            state[path] = (
                id(value), type(value), value.dtype, value.device, value.stride(),
                value.requires_grad, value.data_ptr(), value.detach().clone(),
            )  # fmt: skip
        elif isinstance(value, bool | int | float | str | None):
            state[path] = value
        elif isinstance(value, torch.Generator):
            state[path] = value.get_state()
        else:
            length = len(value) if isinstance(value, dict | list | set) else None
            state[path] = (id(value), type(value), length)
    state["torch"] = torch.get_rng_state()
    state["python"] = random.getstate()
    state["numpy"] = repr(np.random.get_state())
    state["modes"] = (torch.is_grad_enabled(), torch.is_autocast_enabled("cpu"))
    return state


def assert_same(before: dict[str, Any], after: dict[str, Any]) -> None:
    assert list(before) == list(after)
    for path, value in before.items():
        pairs = zip(value, after[path], strict=True) if isinstance(value, tuple) else ()
        if isinstance(value, Tensor):
            assert torch.equal(value, after[path]), path
        elif isinstance(value, tuple) and path != "python":
            for one, other in pairs:
                same = torch.equal(one, other) if isinstance(one, Tensor) else one == other
                assert same, path
        else:
            assert value == after[path], path


@dataclass(frozen=True)
class Used:
    """A network of the zoo after three calls, and what they gave and left."""

    name: str
    network: nn.Module
    arguments: dict[str, Any]
    states: list[dict[str, Any]]  # before the calls, and after each
    values: ProxyValues
    of_a_fresh_network: ProxyValues


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(name, marks=[pytest.mark.slow] * (place % 8 > 0))
        for place, name in enumerate(ZOO)
    ],
)
def used(request: pytest.FixtureRequest) -> Used:
    name = request.param
    network = built(name)
    arguments = inputs(name, network)
    fresh = compute_proxies(built(name), **arguments)
    turn = [*ZOO].index(name)
    states = [state_of(network)]
    for proxies in (SETS[turn % len(SETS)], SETS[(turn + 3) % len(SETS)], "all"):
        values = compute_proxies(network, **arguments, proxies=proxies)
        states.append(state_of(network))
    return Used(name, network, arguments, states, values, fresh)


def test_left_as_it_was(used: Used) -> None:
    before, *others = used.states
    for after in others:
        assert_same(before, after)


@pytest.mark.slow
@pytest.mark.parametrize("name", ZOO)
def test_left_as_it_was_by_every_set(name: str) -> None:
    network = built(name)
    arguments = inputs(name, network)
    for proxies in SETS:
        before = state_of(network)
        compute_proxies(network, **arguments, proxies=proxies)
        assert_same(before, state_of(network))


BLOCKS = {"az_expressivity", "az_progressivity", "az_trainability"}
NULLS = {
    "attending": {*BLOCKS, "eznas_a_data", "swap"},
    "functional": BLOCKS,  # one convolution
    "dropping": BLOCKS,  # a block may be left out
    "oblong": {"eznas_a_data"},
    "unregistered": {"synflow"},  # weights that are not the network's keep their signs
}  # fmt: skip
"""What is null by its definition."""

NO_FRESH_RUN = {"compiled", "compiled_part"}
"""Networks whose own forward takes a compiler."""


def test_still_runs_as_a_new_one_does(used: Used) -> None:
    if used.name in NO_FRESH_RUN:
        return
    fresh = built(used.name)
    for mode in (True, False):
        outputs = []
        for each in (fresh.train(mode), used.network.train(mode)):
            torch.manual_seed(2)
            random.seed(2)
            np.random.seed(2)
            try:
                outputs.append(each(used.arguments["images"]))
            except RuntimeError as error:
                outputs.append(str(error))
        assert_equal_outputs(*outputs)


def assert_equal_outputs(one: Any, other: Any) -> None:
    assert type(one) is type(other)
    if isinstance(one, Tensor):
        assert torch.equal(one, other)
    elif isinstance(one, dict):
        assert all(torch.equal(one[key], other[key]) for key in one)
    elif hasattr(one, "logits"):
        assert torch.equal(one.logits, other.logits)
    else:
        assert one == other


def test_values_are_those_of_a_fresh_network(used: Used) -> None:
    assert used.values.values == used.of_a_fresh_network.values
    assert used.values.reasons == used.of_a_fresh_network.reasons
    if used.name not in ("raises_later", "half"):
        missing = {proxy for proxy, value in used.values.values.items() if value is None}
        assert missing <= NULLS.get(used.name, set()), used.values.reasons


def test_the_zoo_is_large() -> None:
    assert len(ZOO) >= 40
    assert len(list_proxies()) >= 33


class TwoInputs(Base):
    def forward(self, x: Tensor, y: Tensor) -> Tensor:  # type: ignore[override]
        return super().forward(x + y)


class Features(Base):
    def forward(self, x: Tensor) -> Tensor:
        return self.features(x)


def scripted() -> nn.Module:
    with torch.random.fork_rng():
        return torch.jit.trace(plain().eval(), torch.randn(2, 3, 8, 8))


def on_meta() -> nn.Module:
    with torch.device("meta"):
        return plain()


def quantised() -> nn.Module:
    return torch.ao.quantization.quantize_dynamic(plain(), {nn.Linear}, dtype=torch.qint8)


REFUSED = {
    "two_inputs": (TwoInputs, r"forward fails on images .*missing 1 required positional argument"),
    "classes": (lambda: nn.Sequential(plain(), nn.Linear(4, 7)), r"got logits of shape \(1, 7\)"),
    "feature_map": (Features, r"of shape \(1, 4, 8, 8\) for 1 images; expected \(1, 4\)"),
    "linear": (lambda: nn.Linear(8, 4), r"got logits of shape \(1, 3, 8, 4\)"),
    "scripted": (scripted, r"got the module of TorchScript"),
    "scripted_part": (
        lambda: nn.Sequential(scripted(), nn.Identity()), r'got module "0" of TorchScript'
    ),
    "meta": (on_meta, r"meta device"),
    "quantised": (quantised, r'got module "3" that is quantised'),
    "never_run": (
        lambda: nn.Sequential(nn.Flatten(), nn.LazyLinear(4)), "uninitialised parameters"
    ),
    "too_small": (lambda: nn.Sequential(nn.Conv2d(3, 4, 9)), "Kernel size can't be greater"),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_measured_is_refused_once(name: str) -> None:
    build, message = REFUSED[name]
    network = build()
    with pytest.raises(InputError, match=message) as refused:
        compute_proxies(network, (3, 8, 8), 4, proxies=["snip", "synflow", "flops", "meco"])
    assert len(str(refused.value)) < 500
    assert "\n" not in str(refused.value)


@pytest.mark.slow
def test_under_autocast_no_grad_and_inference_mode() -> None:
    torch.manual_seed(0)
    network = plain()
    expected = compute_proxies(network, (3, 8, 8), 4).values
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert compute_proxies(network, (3, 8, 8), 4).values == expected
        assert torch.is_autocast_enabled("cpu")
    with torch.no_grad():
        assert compute_proxies(network, (3, 8, 8), 4).values == expected
        assert not torch.is_grad_enabled()
    with torch.inference_mode():
        torch.manual_seed(0)
        built_inside = plain()
        images = torch.randn(4, 3, 8, 8)
        got = compute_proxies(built_inside, (3, 8, 8), 4, images=images).values
        assert compute_proxies(network, (3, 8, 8), 4).values == expected
        assert torch.is_inference_mode_enabled()
    assert got == compute_proxies(network, (3, 8, 8), 4, images=images.clone()).values


def test_what_is_no_module() -> None:
    unchecked = inspect.unwrap(compute_proxies)  # a run-time type check would refuse it first
    with pytest.raises(InputError, match=r"got str; expected a torch\.nn\.Module"):
        unchecked("resnet18", (3, 8, 8), 4)


def test_checkpointing_is_on_again_afterwards() -> None:
    from torch.utils.checkpoint import checkpoint

    calls = []

    def forward(x: Tensor) -> Tensor:
        calls.append(1)
        return x.exp()

    compute_proxies(plain(), (3, 8, 8), 4, proxies=["snip"])
    for reentrant in (True, False):
        calls.clear()
        x = torch.ones(2, requires_grad=True)
        checkpoint(forward, x, use_reentrant=reentrant).sum().backward()
        assert len(calls) == 2


class Cube(torch.autograd.Function):
    """No activation that is known."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return 3 * ctx.saved_tensors[0] ** 2 * gradient


class Reversal(Cube):
    """The identity, forwards."""

    @staticmethod
    def forward(_ctx: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(_ctx: Any, gradient: Tensor) -> Tensor:
        return -gradient


cube, swish = Cube.apply, Swish.apply


def cubed(x: Tensor) -> Tensor:
    return Cube.apply(x)  # type: ignore[no-untyped-call]


def reversed_(x: Tensor) -> Tensor:
    return Reversal.apply(x)  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("function", [cubed, cube, swish])
def test_what_cannot_be_seen_into_is_told_from_what_is_not_there(function: Any) -> None:
    class Custom(Base):
        def features(self, x: Tensor) -> Tensor:
            return function(self.body(x))

    torch.manual_seed(0)
    result = compute_proxies(Custom(), (3, 8, 8), 4)
    hidden = {"eznas_a_data", "near", "nwot", "nwot_noise", "swap"}
    assert set(result.reasons) == hidden, result.reasons
    assert all("functions of its own" in reason for reason in result.reasons.values())
    assert all(name in result.reasons["nwot"] for name in ("(Cube)",) if function is cube)


def test_a_function_that_changes_gradients_alone_hides_nothing() -> None:
    class Custom(Base):
        def features(self, x: Tensor) -> Tensor:
            return reversed_(self.body(x))

    torch.manual_seed(0)
    network = Custom()
    result = compute_proxies(network, (3, 8, 8), 4)
    assert set(result.reasons) == {"synflow"}  # whose flow goes backwards
    x = torch.ones(2, requires_grad=True)
    reversed_(x).sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad, torch.tensor([-1.0, -1.0]))


def test_a_copy_of_a_copy() -> None:
    """Deep copies of what the zoo holds still work where they worked before."""
    network = built("with_hooks")
    compute_proxies(network, (3, 8, 8), 4, proxies=["snip"])
    other = copy.deepcopy(network)
    assert torch.equal(other(torch.ones(2, 3, 8, 8)), network(torch.ones(2, 3, 8, 8)))
