"""What the page itself reads of typed architectures and of files; run by Node."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from acorn.spaces import get_space

SCRIPTS = Path(__file__).resolve().parents[2] / "service" / "http" / "web" / "static" / "js"
NODE = shutil.which("node")

pytestmark = pytest.mark.skipif(NODE is None, reason="needs Node")


def call(folder: Path, module: str, function: str, values: list[Any]) -> list[Any]:
    """Call a function of a module with each of some values; an error is its message."""
    if not (folder / "js").exists():
        shutil.copytree(SCRIPTS, folder / "js")
        (folder / "js" / "package.json").write_text('{"type": "module"}')
    program = f"""
        import {{ {function} }} from "./{module}";
        const values = {json.dumps(values)};
        const answers = values.map((value) => {{
          try {{ return {function}(value); }} catch (error) {{ return error.message; }}
        }});
        process.stdout.write(JSON.stringify(answers));
    """
    path = folder / "js" / "program.mjs"
    path.write_text(program)
    assert NODE is not None
    done = subprocess.run([NODE, str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_cells_as_the_space_reads_them(tmp_path: Path) -> None:
    space = get_space("nats_tss")
    specs = [
        "(4, 0, 3, 1, 4, 3)",
        "[0,1,2,3,4,0]",
        space.example,
        space.example.replace("~", " ~ "),
    ]
    for spec, operations in zip(
        specs, call(tmp_path, "topology.js", "readCell", specs), strict=True
    ):
        (written,) = call(tmp_path, "topology.js", "writeCell", [operations])
        assert written == space.parse(spec).arch
    others = ["", "1462", "[4,0,3,1,4,5]", "[4,0,3,1,4]", "(4,0,3,1,4,3]", "|none~0|", "(,,,,,)"]
    assert call(tmp_path, "topology.js", "readCell", others) == [None] * len(others)


def test_widths_as_the_space_reads_them(tmp_path: Path) -> None:
    space = get_space("nats_sss")
    specs = ["64:8:16:24:32", " 8 : 8:8:8:16", "[64, 8, 8, 8, 8]", "(8,8,8,8,24,)", "8-8-8-8-64"]
    specs += ["0", "2", "4321", "32767"]
    found = call(tmp_path, "sizes.js", "readSizes", specs)
    assert [":".join(map(str, each)) for each in found] == [space.parse(s).arch for s in specs]
    others = ["", "32768", "007", "[8]", "8:8-8:8:8", "8:8:8:8", "8:8:8:8:9", "08:8:8:8:8", "8,"]
    assert call(tmp_path, "sizes.js", "readSizes", others) == [None] * len(others)


@pytest.mark.parametrize(
    ("content", "archs"),
    [
        ("arch,clean\n64:64:64:64:64,93.1\n", ["64:64:64:64:64"]),
        ("arch;clean\n64:64:64:64:64;93,1\n", ["64:64:64:64:64"]),
        ("arch\tclean\r\n[8, 8]\t93,1\r\n", ["[8, 8]"]),
        ("clean, final;arch\n1;x\n", ["x"]),
        ('"arch","clean"\n"a, b",1\n', ["a, b"]),
        ("(4, 0, 3, 1, 4, 3)\n\n[1,2]\n", ["(4, 0, 3, 1, 4, 3)", "[1,2]"]),
        ('{"nodes": [], "output": "x"}\n{}\n', ['{"nodes": [], "output": "x"}', "{}"]),
        ("Genotype(normal=[('a', 0)])\n", ["Genotype(normal=[('a', 0)])"]),
        ("1462\n1463", ["1462", "1463"]),
    ],
)
def test_files_of_architectures(tmp_path: Path, content: str, archs: list[str]) -> None:
    (rows,) = call(tmp_path, "csv.js", "readCsv", [content])
    (items,) = call(tmp_path, "bulk.js", "readItems", [rows])
    assert [item["arch"] for item in items] == archs
    lines = content.replace("\r", "").split("\n")
    assert all(item["arch"] in lines[item["line"] - 1].replace('""', '"') for item in items)


def test_files_without_architectures(tmp_path: Path) -> None:
    (rows,) = call(tmp_path, "csv.js", "readCsv", ["a;b\n1;2\n"])
    assert call(tmp_path, "bulk.js", "readItems", [rows]) == [
        "got the columns a, b; expected a column arch"
    ]


def test_targets_of_devices_have_their_names_groups_and_units(tmp_path: Path) -> None:
    names = ["clean", "pgd_linf_1.0", "imagenet_a", "throughput.rtx4090_amp", "latency.edgegpu"]
    assert call(tmp_path, "targets.js", "fullName", names) == [
        "Clean", "PGD 1/255", "ImageNet-A", "Throughput, rtx4090_amp", "Latency, edgegpu",
    ]  # fmt: skip
    shown = """(target) => {
      describeTargets({"latency.edgegpu": {unit: "ms", better: "lower", scale: "log"}});
      return [groupOf(target), isAccuracy(target), isLog(target), robustOf([target])];
    }"""
    path = tmp_path / "js" / "shown.js"
    imports = "describeTargets, groupOf, isAccuracy, isLog, robustOf"
    path.write_text(f'import {{ {imports} }} from "./targets.js"; export const shown = {shown};')
    assert call(tmp_path, "shown.js", "shown", ["clean", "sketch", "latency.edgegpu"]) == [
        ["Standard training", True, False, []],
        ["Other test sets", True, False, ["sketch"]],
        ["On devices", False, True, []],
    ]


def test_ranks_are_shown_from_0_to_100_but_not_as_percent(tmp_path: Path) -> None:
    call(tmp_path, "format.js", "points", [])  # copies the modules
    shown = """(target) => {
      describeTargets({clean: {unit: "percentile", better: "higher", scale: "rank"}});
      return [groupOf(target), isAccuracy(target), isPercent(target), isRank(target)];
    }"""
    path = tmp_path / "js" / "shown.js"
    imports = "describeTargets, groupOf, isAccuracy, isPercent, isRank"
    path.write_text(f'import {{ {imports} }} from "./targets.js"; export const shown = {shown};')
    assert call(tmp_path, "shown.js", "shown", ["clean"]) == [
        ["Standard training", True, False, True]
    ]


def test_numbers_have_the_unit_of_their_target(tmp_path: Path) -> None:
    call(tmp_path, "format.js", "points", [])  # copies the modules
    path = tmp_path / "js" / "written.js"
    path.write_text(
        'import { quantity } from "./format.js";'
        "export const written = ([value, unit]) => quantity(value, { unit });"
    )
    values = [[93.104, "percent"], [9012.3, "images/s"], [0.01128, "ms"], [71.6, "percentile"]]
    expected = ["93.10%", "9,010 images/s", "0.0113 ms", "percentile 72"]
    assert call(tmp_path, "written.js", "written", values) == expected


def test_families_of_networks(tmp_path: Path) -> None:
    names = [
        *("resnet18", "resnet50", "seresnet50", "resnetrs50", "legacy_seresnet18", "vit_tiny"),
        *("tf_efficientnet_b0", "efficientnet_b1", "tf_efficientnetv2_s", "regnety_016"),
        *("regnetx_032", "vitamin_large", "2_starts_with_a_digit"),
    ]
    ((families),) = call(tmp_path, "families.js", "groupFamilies", [names])
    assert families["of"] == [
        *["resnet"] * 5,
        "vit",
        *["efficientnet"] * 3,
        *["regnet"] * 2,
        *("vitamin", "other"),
    ]
    assert families["names"][:3] == ["resnet", "efficientnet", "regnet"]
    many = [f"{chr(97 + i)}net" for i in range(20)]
    (families,) = call(tmp_path, "families.js", "groupFamilies", [many])
    assert len(families["names"]) == 9
    assert families["of"].count("other") == 11


def test_conditions_in_words(tmp_path: Path) -> None:
    values = [{"image_size": 288, "pretraining": "imagenet_22k"}, {}]
    written = call(tmp_path, "conditions.js", "writtenValues", values)
    assert written == ["288 px, pretraining imagenet 22k", ""]
