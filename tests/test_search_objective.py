"""Predicted objectives for Optuna and pymoo, and the choices of spaces that they set."""

import random
import sys
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import pytest

import acorn
from acorn.errors import InputError, InvalidArchitectureError, UnknownTargetError
from acorn.spaces import ChoiceSpace, get_space
from tests.docs.blocks import ROOT, blocks

BUNDLE = "nats_tss-cifar10"


@dataclass(frozen=True)
class Choices:
    width: Literal[8, 16, None]
    kernels: Annotated[tuple[Literal[1, 3], ...], 2]
    bias: bool

    def __post_init__(self) -> None:
        if self.width is None and self.bias:
            raise ValueError("no bias without a width")


class SmallSpace(ChoiceSpace):
    """Two convolutions."""

    name, choices = "small_choices", Choices

    def network(self, choices: Choices, dataset: object) -> Any:
        raise NotImplementedError


@pytest.fixture(scope="module")
def objective() -> acorn.SearchObjective:
    return acorn.SearchObjective(BUNDLE, ["clean", "params"])


@pytest.mark.parametrize("name", ["nats_tss", "nats_sss", "nasbench_macro", "darts"])
def test_choices_compose_architectures_of_the_space(name: str) -> None:
    space, rng = get_space(name), random.Random(0)
    values = space.choice_values()
    drawn = {
        space.parse(space.compose([rng.choice([*allowed]) for allowed in values.values()])).arch
        for _ in range(50)
    }
    assert len(drawn) > 40
    if name == "darts":
        assert all("normal_concat=[2, 3, 4, 5]" in arch for arch in drawn)
    else:
        count = 1
        for allowed in values.values():
            count *= len(allowed)
        assert count == space.size


def test_declared_choices_are_named_by_field_and_position() -> None:
    space = SmallSpace()
    values = space.choice_values()
    assert [*values.items()] == [
        ("width", (8, 16, None)),
        ("kernels, position 0", (1, 3)),
        ("kernels, position 1", (1, 3)),
        ("bias", (False, True)),
    ]
    assert (
        space.parse(space.compose([16, 1, 3, True])).canonical == "width=16,kernels=1:3,bias=true"
    )
    with pytest.raises(InvalidArchitectureError, match="small_choices accepts"):
        space.compose([None, 1, 3, True])


def test_predictions_are_those_of_the_bundle(objective: acorn.SearchObjective) -> None:
    archs = [objective.arch([3, 3, 3, 3, 3, 3]), objective.arch([0, 1, 2, 3, 4, 0])]
    specs = [{"space": "nats_tss", "arch": arch} for arch in archs]
    expected = acorn.load_bundle(BUNDLE).predict(specs, ["clean"])["clean"].value
    values = objective.predict(archs)
    np.testing.assert_array_equal(values[:, 0], expected)
    assert values[0, 1] == pytest.approx(1.53, abs=0.01)
    assert objective.directions == ["maximize", "minimize"]
    sizes = acorn.SearchObjective(BUNDLE, ["flops"])
    assert sizes.predict(archs).shape == (2, 1)


def test_bad_input_has_a_clear_error(objective: acorn.SearchObjective) -> None:
    for places in ([5, 0, 0, 0, 0, 0], [0, 0, 0], [-1, 0, 0, 0, 0, 0]):
        with pytest.raises(InvalidArchitectureError, match="expected 0 to"):
            objective.arch(places)
    with pytest.raises(UnknownTargetError):
        acorn.SearchObjective(BUNDLE, ["speed"])
    with pytest.raises(InputError, match="expected a list"):
        acorn.SearchObjective(BUNDLE, "clean")
    with pytest.raises(InputError, match="expected a space of choices"):
        acorn.SearchObjective("universal-imagenet1k", ["clean"], space="timm")


def test_the_programs_of_the_documentation_find_fronts(
    objective: acorn.SearchObjective, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("optuna", reason="needs the extra search")
    pytest.importorskip("pymoo", reason="needs the extra search")
    programs = [
        block.text for block in blocks(ROOT / "docs/search.md") if block.language == "python"
    ]
    names: dict[str, Any] = {}
    exec("\n".join(programs), names)  # noqa: S102
    assert capsys.readouterr().out
    best = max(names["study"].best_trials, key=lambda trial: trial.values[0])
    assert best.values[0] > 90
    assert objective.predict([best.user_attrs["arch"]])[0, 0] == best.values[0]
    values = names["objective"].predict(names["archs"])
    np.testing.assert_allclose(names["result"].F, values * [-1, -1, 1])
    assert values[:, 0].max() > 93


def test_optuna_gets_a_number_for_one_objective() -> None:
    optuna = pytest.importorskip("optuna", reason="needs the extra search")
    study = optuna.create_study(direction="maximize")
    study.optimize(acorn.SearchObjective(BUNDLE, ["clean"]), n_trials=2)
    assert 10 <= study.best_value <= 100


def test_what_a_space_refuses_violates_the_constraint_or_is_pruned(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    optuna = pytest.importorskip("optuna", reason="needs the extra search")
    pytest.importorskip("pymoo", reason="needs the extra search")
    objective = acorn.SearchObjective(BUNDLE, ["clean"])
    compose = type(get_space("nats_tss")).compose

    def picky(self: object, values: list[str]) -> str:
        if values[0] == "none":
            raise InvalidArchitectureError("got none; expected an operation")
        return compose(self, values)  # type: ignore[arg-type]

    monkeypatch.setattr(type(get_space("nats_tss")), "compose", picky)
    out = objective.problem().evaluate(
        np.array([[0, 3, 3, 3, 3, 3], [3, 3, 3, 3, 3, 3]]), return_as_dictionary=True
    )
    assert out["G"].ravel().tolist() == [1.0, 0.0]
    assert out["F"][1, 0] < -93
    trial = optuna.trial.FixedTrial(
        {f"edge_{edge}": "none" for edge in ("01", "02", "12", "03", "13", "23")}
    )
    with pytest.raises(optuna.TrialPruned, match="expected an operation"):
        objective(trial)


def test_without_pymoo_the_extra_is_named(
    objective: acorn.SearchObjective, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("pymoo")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(InputError, match=r"acorn-nas\[search\]"):
        objective.problem()
