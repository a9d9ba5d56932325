"""Invalid requests, generated from a seed.

Every request is invalid for all forests: it is not JSON, violates the schema, has no valid
architecture, or is too large.
"""

import gzip
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

JSON = "application/json"
SPACES = ("nats_tss", "nats_sss", "nasbench_macro", "darts", "graph", "timm")
EXAMPLES = {
    "nats_tss": "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+"
    "|skip_connect~0|nor_conv_3x3~1|skip_connect~2|",
    "nats_sss": "64:64:64:64:64",
    "nasbench_macro": "01201201",
    "darts": "Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1)], "
    "normal_concat=[2, 3, 4, 5], reduce=[('max_pool_3x3', 0)], reduce_concat=[2, 3, 4, 5])",
    "graph": '{"nodes":[{"name":"a","op":"flatten","inputs":["input"]},{"name":"b","op":"linear",'
    '"inputs":["a"],"out_features":"classes"}],"output":"b"}',
    "timm": "resnet18",
}


@dataclass(frozen=True, slots=True)
class Hostile:
    """One request.

    Attributes
    ----------
    name
        Family and number.
    body
        Bytes of the body.
    headers
        Content type and other headers of the body.
    """

    name: str
    body: bytes
    headers: dict[str, str]


def hostile_requests(count: int, *, seed: int) -> Iterator[Hostile]:
    """Generate ``count`` requests, of all families in turn."""
    for number in range(count):
        family = FAMILIES[number % len(FAMILIES)]
        body, headers = family(random.Random(f"{seed}/{number}"))
        name = f"{family.__name__.strip('_')} {number}"
        yield Hostile(name, body, {"content-type": JSON} | headers)


Made = tuple[bytes, dict[str, str]]


def _spec(space: object, arch: object, **fields: object) -> Made:
    return _json({"architectures": [{"space": space, "arch": arch}], **fields})


def _json(document: object) -> Made:
    return json.dumps(document).encode(), {}


def _text(rng: random.Random) -> str:
    """Generate unusual text."""
    return rng.choice(
        [
            "\u202e|3x3_vnoc_ron~0|\u202c",  # right to left
            "\u0665\u0664:\u0666\u0664:\u0666\u0664:\u0666\u0664:\u0666\u0664",  # Arabic digits
            "６４:６４:６４:６４:６４",  # noqa: RUF001 (full-width digits)
            "Z" + "\u0301" * rng.randrange(1, 5_000),
            "\x00" * rng.randrange(1, 100),
            "\ufeff" + EXAMPLES["nasbench_macro"],
            "👩‍👩‍👧‍👦" * rng.randrange(1, 1_000),
            "\n\r\u2028\u2029\x85",
            "\x1b[2J\x1b[31m",
            "${jndi:ldap://127.0.0.1/a}",
            "'; DROP TABLE features; --",
            "../" * rng.randrange(1, 50) + "etc/passwd",
            "%s%n%x" * 20,
            "<script>alert(1)</script>",
        ]
    )


def _unicode_arch(rng: random.Random) -> Made:
    return _spec(rng.choice(SPACES), _text(rng))


def _unknown_space(rng: random.Random) -> Made:
    names = ["", "NATS_TSS", "nats_tss ", "__init__", "os.system", "acorn.spaces", "hf_hub:a/b"]
    return _spec(rng.choice([*names, _text(rng)]), EXAMPLES["nats_tss"])


def _unicode_elsewhere(rng: random.Random) -> Made:
    field = rng.choice(["dataset", "forest", "explain", _text(rng)])
    return _spec("nats_tss", EXAMPLES["nats_tss"], **{field: _text(rng)})


def _lone_surrogate(rng: random.Random) -> Made:
    surrogate = chr(rng.randrange(0xD800, 0xE000))
    text = rng.choice(["", "a", "\u202e"]) + surrogate
    where = rng.randrange(4)
    if where == 0:
        return _spec(rng.choice(SPACES), text)
    if where == 1:
        return _spec(text, EXAMPLES["nats_tss"])
    if where == 2:
        return _spec("graph", {text: 1})
    return _spec("nats_tss", EXAMPLES["nats_tss"], **{text: text})


def _long_text(rng: random.Random) -> Made:
    size = rng.choice([10_000, 100_000, 1_000_000])
    seeds = ["a", "|", "(", "[", "64:", "0", "nor_conv_3x3~0|", "('skip_connect', 0), ", '{"a":']
    seed = rng.choice([*seeds, "\u00e9", "Genotype(normal=["])
    return _spec(rng.choice(SPACES), (seed * (size // len(seed) + 1))[:size])


def _wrong_type(rng: random.Random) -> Made:
    wrong: Any = rng.choice([None, True, 0, -1, 1.5, [], [[]], [{}], 2**63, 10**400, 1e308])
    where = rng.randrange(4)
    if where == 0:
        return _spec(rng.choice(SPACES), wrong)
    if where == 1:
        return _spec(wrong, EXAMPLES["nats_tss"])
    if where == 2:
        field = rng.choice(["dataset", "explain", "targets", "interval", "features"])
        bad: Any = [[]] if field in ("targets", "interval") or isinstance(wrong, bool) else wrong
        return _spec("nats_tss", EXAMPLES["nats_tss"], **{field: {} if bad is None else bad})
    return _json(rng.choice([wrong, [wrong], {"architectures": wrong}, {"architectures": [wrong]}]))


def _object_for_text(rng: random.Random) -> Made:
    space = rng.choice([name for name in SPACES if name != "graph"])
    return _spec(space, rng.choice([{}, {"arch": EXAMPLES[space]}, {"__class__": "os.system"}]))


def _not_finite(rng: random.Random) -> Made:
    constant = rng.choice(["NaN", "Infinity", "-Infinity", "1e309", "-1e999999", "1e308"])
    field = rng.choice(["interval", "dataset", "features", "targets"])
    architectures = json.dumps([{"space": "nats_tss", "arch": EXAMPLES["nats_tss"]}])
    return f'{{"architectures":{architectures},"{field}":{constant}}}'.encode(), {}


def _huge_integer(rng: random.Random) -> Made:
    digits = "9" * rng.choice([20, 400, 4_000, 5_000, 100_000])
    return f'{{"architectures":[{{"space":"nats_sss","arch":{digits}}}]}}'.encode(), {}


def _deep(rng: random.Random) -> Made:
    depth = rng.choice([65, 100, 1_000, 10_000, 100_000])
    opening, closing = rng.choice([("[", "]"), ('{"a":', "}")])
    nested = opening * depth + "0" + closing * depth
    if rng.random() < 0.3:
        return nested.encode(), {}
    if rng.random() < 0.3:  # as text, which the space itself reads
        return _spec("graph", nested)
    return f'{{"architectures":[{{"space":"graph","arch":{nested}}}]}}'.encode(), {}


def _truncated(rng: random.Random) -> Made:
    whole, _ = _spec("nats_tss", EXAMPLES["nats_tss"])
    return whole[: rng.randrange(len(whole))], {}


def _noise(rng: random.Random) -> Made:
    return rng.randbytes(rng.randrange(1, 2_000)) + b"\xff", {}


def _mutated(rng: random.Random) -> Made:
    """Generate a body with one byte that is invalid in UTF-8."""
    whole = bytearray(_spec(*rng.choice([*EXAMPLES.items()]))[0])
    whole[rng.randrange(len(whole))] = rng.choice([0xFF, 0xC0, 0xF5])
    return bytes(whole), {}


def _not_quite_json(rng: random.Random) -> Made:
    whole = _spec("nats_tss", EXAMPLES["nats_tss"])[0].decode()
    return rng.choice(
        [
            whole.replace('"', "'"),
            whole + whole,
            whole[:-1] + ",}",
            f"/* */{whole}",
            f"\ufeff{whole}",
            f"callback({whole})",
            f"{whole}\x00",
            "architectures=nats_tss",
            "<architectures/>",
            "!!python/object/apply:os.system ['true']",
        ]
    ).encode(rng.choice(["utf-8", "utf-16"])), {}


def _twice_the_same_key(rng: random.Random) -> Made:
    whole = _spec("nats_tss", EXAMPLES["nats_tss"])[0].decode()
    return rng.choice(
        [
            f'{{"dataset":"imagenet","dataset":"cifar10",{whole[1:]}',
            whole.replace('{"space"', '{"space":"graph","space"'),
            f'{{"architectures":[],{whole[1:]}',
        ]
    ).encode(), {}


def _wrong_media(rng: random.Random) -> Made:
    whole, _ = _spec("nats_tss", EXAMPLES["nats_tss"])
    media = ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", "json"]
    media += ["application/json-seq", "application/xml", "application/octet-stream", "*/*"]
    return whole, {"content-type": rng.choice(media)}


def _compressed(rng: random.Random) -> Made:
    whole, _ = _spec("nats_tss", EXAMPLES["nats_tss"])
    bomb = gzip.compress(b" " * rng.choice([1, 1_000_000, 10_000_000]) + whole, 6, mtime=0)
    encodings = [{"content-encoding": name} for name in ("gzip", "deflate", "br", "gzip, gzip")]
    return bomb, rng.choice([*encodings, {}])


def _many(rng: random.Random) -> Made:
    count = rng.choice([0, 1_000, 10_001, 100_000])
    return _json({"architectures": [rng.choice([0, "a", {}, []])] * count})


def _many_fields(rng: random.Random) -> Made:
    count = rng.choice([1, 100, 1_000, 10_000])
    fields = {f"{_text(rng)[:9]}{number}": number for number in range(count)}
    return _spec("nats_tss", EXAMPLES["nats_tss"], **fields)


def _wrong_cell(rng: random.Random) -> Made:
    """Generate cells with an invalid edge, operation or number."""
    cell = EXAMPLES["nats_tss"]
    return _spec(
        "nats_tss",
        rng.choice(
            [
                cell.replace("~2", f"~{rng.choice([3, -1, 10**30, 'a'])}"),
                cell.replace("avg_pool_3x3", rng.choice(["conv_9x9", "", "__import__('os')"])),
                "+".join([cell] * rng.randrange(2, 5_000)),
                cell[: rng.randrange(len(cell))],
                "|" * rng.randrange(1, 100_000),
            ]
        ),
    )


def _wrong_sizes(rng: random.Random) -> Made:
    width = rng.choice([0, -8, 65, 10**9, 10**4_000, 1e308, "nan", "inf", "0x40", "6_4", "+64"])
    number = rng.choice([5, 5, 4, 6, 100_000])
    return _spec("nats_sss", ":".join([str(width) if width != 10**4_000 else "9" * 4_000] * number))


def _wrong_blocks(rng: random.Random) -> Made:
    count = rng.choice([0, 7, 9, 1_000_000])
    digits = rng.choice(["0", "12", "٠١٢"])
    return _spec("nasbench_macro", rng.choice([digits * count or " ", "01201203", "0120120²"]))


def _wrong_genotype(rng: random.Random) -> Made:
    deep = rng.choice([100, 1_000, 100_000])
    call = rng.choice(
        [
            "__import__('os').system('true')",
            "Genotype(normal=" + "[" * deep + "]" * deep + ")",
            "Genotype(normal=" + "(" * deep,
            "Genotype(" + "-" * deep + "1)",
            "Genotype(normal=[('sep_conv_3x3', 0)] * 1000000000)",
            "Genotype(normal=[('sep_conv_3x3', 9**9**9**9)])",
            "Genotype(normal=[('sep_conv_3x3', 1e308)])",
            "Genotype(normal=[x for x in ().__class__.__base__.__subclasses__()])",
            "Genotype(**{'normal': 1})",
            "Genotype(normal=1, normal=2)",
            "lambda: Genotype()",
            "Genotype(" + ", ".join(f"a{number}={number}" for number in range(deep // 20)) + ")",
            EXAMPLES["darts"],  # two edges of sixteen
        ]
    )
    return _spec("darts", call)


def _wrong_model(rng: random.Random) -> Made:
    names = [
        "hf-hub:timm/resnet18",
        "local-dir:/etc",
        "resnet18.a1_in1k",
        "/etc/passwd",
        "RESNET18",
    ]
    names += ["resnet18(pretrained=True)", "r" * 101, "http://127.0.0.1/model.pth", "no_such_model"]
    return _spec("timm", rng.choice(names))


def _graph(nodes: list[dict[str, object]], output: object, rng: random.Random) -> Made:
    graph = {"nodes": nodes, "output": output}
    return _spec("graph", json.dumps(graph) if rng.random() < 0.5 else graph)


def _node(name: str, op: str, *inputs: object, **options: object) -> dict[str, object]:
    return {"name": name, "op": op, "inputs": [*inputs], **options}


def _cycle(rng: random.Random) -> Made:
    length = rng.choice([1, 2, 10, 1_000])
    nodes = [_node(f"n{i}", "relu", f"n{(i + 1) % length}") for i in range(length)]
    rng.shuffle(nodes)
    return _graph(nodes, "n0", rng)


def _doubling(rng: random.Random) -> Made:
    """Generate a graph in which each node doubles the number of paths."""
    depth = rng.choice([30, 64, 500, 1_900])
    op = rng.choice(["add", "concat"])
    nodes = [_node("n0", "conv", "input", out_channels=8, kernel=3, padding=1)]
    nodes += [_node(f"n{i}", op, *[f"n{i - 1}"] * 2) for i in range(1, depth)]
    return _graph(nodes, f"n{depth - 1}", rng)  # a map, which is no logits


def _all_to_all(rng: random.Random) -> Made:
    width = rng.choice([150, 200, 300, 1_500])
    nodes = [_node("n0", "relu", "input")]
    nodes += [_node(f"n{i}", "add", *(f"n{j}" for j in range(i))) for i in range(1, width)]
    return _graph(nodes, f"n{width - 1}", rng)


def _too_large(rng: random.Random) -> Made:
    """Generate widths and resolutions that would need all memory."""
    size = rng.choice([10**5, 2**31, 2**63, 10**30])
    node = rng.choice(
        [
            _node("n", "conv", "input", out_channels=size, kernel=3, padding=1),
            _node("n", "conv", "input", out_channels=8, kernel=size),
            _node("n", "conv", "input", out_channels=8, kernel=3, padding=size),
            _node("n", "upsample", "input", scale=size),
        ]
    )
    nodes = [node, _node("flat", "flatten", "n")]
    nodes += [_node("wide", "linear", "flat", out_features=size)]
    nodes += [_node("out", "linear", "wide", out_features="classes")]
    return _graph(nodes, "out", rng)


def _too_many_nodes(rng: random.Random) -> Made:
    count = rng.choice([2_001, 10_000])
    nodes = [_node(f"n{i}", "relu", f"n{i - 1}" if i else "input") for i in range(count)]
    return _graph(nodes, f"n{count - 1}", rng)


def _long_chain(rng: random.Random) -> Made:
    """Generate a chain with the maximum number of nodes and without logits."""
    op = rng.choice(["relu", "batch_norm", "sigmoid"])
    nodes = [_node(f"n{i}", op, f"n{i - 1}" if i else "input") for i in range(2_000)]
    return _graph(nodes, "n1999", rng)


def _wrong_graph(rng: random.Random) -> Made:
    size: Any = rng.choice([0, -1, 1.5, "8", None, True, 1e308, [8, 8, 8], {}])
    nodes = rng.choice(
        [
            [_node("n", "conv", "input", out_channels=size, kernel=3)],
            [_node("n", "conv", "input", out_channels=8, kernel=3, stride=0)],
            [
                _node(
                    "n", "conv", "input", out_channels=8, kernel=3, groups=rng.choice([0, 7, 2**70])
                )
            ],
            [_node("n", "eval", "input", code="__import__('os')")],
            [_node("input", "relu", "input")],
            [_node("n", "relu", "input"), _node("n", "relu", "input")],
            [_node("n", "relu", "nowhere")],
            [_node("n", "relu", *["input"] * 1_000)],
            [_node("n" * 65, "relu", "input")],
            [_node("\u202en\u202c", "relu", size)],
            [_node("n", "relu", "input", **{_text(rng): 1})],
            [],
            None,
            [None],
            {"n": _node("n", "relu", "input")},
        ]
    )
    return _graph(nodes, rng.choice(["n", "n", "missing", None, 0, ["n"]]), rng)  # type: ignore[arg-type]


FAMILIES: tuple[Callable[[random.Random], Made], ...] = (
    *(_unicode_arch, _unknown_space, _unicode_elsewhere, _lone_surrogate, _long_text, _wrong_type),
    *(_object_for_text, _not_finite, _huge_integer, _deep, _truncated, _noise, _mutated),
    *(_not_quite_json, _twice_the_same_key, _wrong_media, _compressed, _many, _many_fields),
    *(_wrong_cell, _wrong_sizes, _wrong_blocks, _wrong_genotype, _wrong_model, _cycle, _doubling),
    *(_all_to_all, _too_large, _too_many_nodes, _long_chain, _wrong_graph),
)
