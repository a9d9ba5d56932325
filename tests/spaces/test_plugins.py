"""Spaces of the user's own packages are found; what is wrong with one is one clear error."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from acorn.errors import InputError
from acorn.spaces import SPACES, get_space
from acorn.spaces.plugins import VARIABLE, name_plugins, named_plugins
from tests.conftest import Write
from tests.service.servers import ROOT

CHAIN = '''
from dataclasses import dataclass
from typing import Literal

from acorn.spaces import ChoiceSpace


@dataclass(frozen=True)
class Choices:
    width: Literal[4, 8]


class {cls}(ChoiceSpace):
    """A chain."""

    name, choices = "{name}", Choices

    def network(self, choices, dataset):
        from torch import nn

        return nn.Sequential(nn.Flatten(), nn.Linear(3072, dataset.num_classes))
'''


def chain(name: str, cls: str = "ChainSpace") -> str:
    return CHAIN.format(name=name, cls=cls)


def test_a_module_that_the_environment_names(plugin: Write) -> None:
    plugin("plug_one", chain("plug_one"))
    assert get_space("plug_one").parse({"width": 8}).id == "plug_one/width=8"
    assert [*SPACES][-1] == "plug_one"
    assert [*SPACES.plugins.values()][-1] == ["plug_one"]


def test_plugins_that_are_named_later_are_found_as_well(plugin: Write) -> None:
    plugin("plug_early", chain("plug_early"))
    assert "plug_early" in SPACES
    plugin("plug_late", chain("plug_late"))
    assert "plug_late" in SPACES
    assert "plug_early" in SPACES  # and stay


def test_own_spaces_are_found_without_plugins(plugin: Write) -> None:
    plugin("plug_broken", "raise RuntimeError('two\\nlines')")
    assert get_space("nats_tss").name == "nats_tss"
    for _ in range(2):
        with pytest.raises(InputError) as caught:
            get_space("nats")
        assert str(caught.value) == (
            "plugin plug_broken (ACORN_PLUGINS): cannot be imported "
            "(RuntimeError: two lines); expected a module on Python's path"
        )


def test_a_module_may_list_its_spaces(plugin: Write) -> None:
    text = chain("plug_a", "A") + chain("plug_b", "B") + chain("plug_c", "C")
    plugin("plug_listed", text + "\nSPACES = [A, B()]\n")
    assert "plug_a" in SPACES
    assert "plug_b" in SPACES
    assert "plug_c" not in SPACES


def test_an_instance_wins_over_its_class(plugin: Write) -> None:
    text = chain("plug_arguments", "A")
    plugin(
        "plug_instance", text + "    def __init__(self, x):\n        self.x = x\n\nspace = A(3)\n"
    )
    assert get_space("plug_arguments").x == 3  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import plug_absent", r"cannot be imported \(ModuleNotFoundError: No module named 'plug_"),
        ("def (", r"cannot be imported \(SyntaxError"),
        ("x = 3", r"defines no space; expected a subclass of acorn\.spaces\.Space"),
        ("SPACES = []", "defines no space"),
        ("SPACES = [dict]", r"got <class 'dict'>; expected a subclass"),
        ("SPACES = [3]", r"got 3; expected a subclass"),
        (chain("nats_tss"), "got a second space 'nats_tss'; expected a name that is free"),
        (chain("universal"), "got a second space 'universal'"),
        (chain("a/b"), "got a space with the name 'a/b'; expected a letter, then letters"),
        (chain("plug") + "    def __init__(self, x): ...\n", "ChainSpace cannot be created .*'x'"),
        (chain("plug").replace("def network", "def net"), "ChainSpace cannot be created .*network"),
        (
            "from acorn.spaces import NATS\n",
            r"cannot be imported \(ImportError",
        ),
    ],
)
def test_errors_name_the_plugin(plugin: Write, text: str, message: str) -> None:
    before = {*SPACES._spaces}
    plugin("plug_wrong", text)
    with pytest.raises(InputError, match=rf"^plugin plug_wrong \(ACORN_PLUGINS\): .*{message}"):
        list(SPACES)
    assert {*SPACES._spaces} == before


@pytest.mark.parametrize("name", ["os; x", "../x", "a..b", "a-b", "module:Space()"])
def test_a_plugin_is_a_module(plugin: Write, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, name)
    with pytest.raises(InputError, match="expected a module such as"):
        list(SPACES)


def test_names_of_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, " a.b, c ,,a.b")
    assert named_plugins() == ("a.b", "c")
    name_plugins(())
    assert named_plugins() == ("a.b", "c")
    name_plugins(["d", "e"])
    assert os.environ[VARIABLE] == "d,e"


def distribution(folder: Path, name: str, *points: str) -> None:
    metadata = folder / f"{name}-1.2.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
    (metadata / "entry_points.txt").write_text("\n".join(["[acorn.spaces]", *points]))


def test_entry_points(plugin: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plugin("plug_points", chain("plug_class", "A") + chain("plug_object", "B") + "b = B()\n")
    plugin("plug_module", chain("plug_module"))
    points = ("a = plug_points:A", "b = plug_points:b", "module = plug_module")
    distribution(tmp_path, "plug-points", *points)
    monkeypatch.delenv(VARIABLE)
    assert [*SPACES][-3:] == ["plug_class", "plug_object", "plug_module"]
    assert {plugin.source for plugin in [*SPACES.plugins][-3:]} == {"plug-points 1.2"}


def test_an_entry_point_that_is_no_space(
    plugin: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin("plug_function", "def f(): ...\n")
    distribution(tmp_path, "plug-function", "f = plug_function:f")
    monkeypatch.delenv(VARIABLE)
    with pytest.raises(InputError, match=r"^plugin plug_function:f \(plug-function 1\.2\): got <f"):
        get_space("plug")


def test_entry_points_are_searched_when_spaces_are_asked_for(tmp_path: Path) -> None:
    (tmp_path / "plug_lazy.py").write_text("import sys\nsys.seen = True\n" + chain("plug_lazy"))
    distribution(tmp_path, "plug-lazy", "x = plug_lazy")
    program = (
        "import sys, acorn.spaces as s; s.get_space('nats_tss'); "
        "assert 'plug_lazy' not in sys.modules; assert 'plug_lazy' in s.SPACES; "
        "assert sys.seen; assert 'torch' not in sys.modules"
    )
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"}
    subprocess.run([sys.executable, "-c", program], check=True, env=environment)
