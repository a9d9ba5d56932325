"""``acorn predict``."""

import asyncio
import sys
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Annotated, get_args

import typer

import acorn
from acorn.errors import InputError
from acorn.progress import progress
from acorn.schemas.predict_options import Explain, PredictOptions, read_query
from acorn.schemas.prediction import PredictResponse, TargetPrediction
from acorn.strict_json import JSONError, parse_json
from service.observability.logs import configure_logging
from service.settings import Settings, load_settings
from training.commands.shared import completion, options
from training.commands.shared.output import print_line, print_table


@options.with_fields(
    PredictOptions,
    omit=frozenset({"features"}),  # always in the JSON, never in the table
    as_text=True,
    dataset=completion.datasets,
    explain=lambda: [*get_args(Explain)],
    forest=completion.bundles,
)
def predict(
    space: Annotated[
        str | None,
        typer.Option(help="Space of --arch, such as nats_tss.", autocompletion=completion.spaces),
    ] = None,
    arch: Annotated[
        list[str] | None,
        typer.Option(
            help="Architecture; may be given several times. - reads one from each line of stdin."
        ),
    ] = None,
    spec: Annotated[
        list[Path] | None,
        typer.Option(help="File with space and arch, as acorn export writes it."),
    ] = None,
    onnx: Annotated[
        list[Path] | None, typer.Option(help="ONNX file, whose structure is read.")
    ] = None,
    forests: options.ForestsFolder = None,
    var: options.VarFolder = None,
    database_url: options.DatabaseUrl = None,
    device: options.ServerDevice = None,
    as_json: options.AsJson = False,
    **texts: str | None,
) -> None:
    """Predict the accuracies of architectures, without a server.

    Examples
    --------
    acorn predict --space nats_tss --targets clean,pgd_linf_1.0
    --arch "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|skip_connect~0|none~1|nor_conv_3x3~2|"

    acorn predict --space nats_sss --arch - --json < widths.txt

    acorn predict --spec net.json

    acorn predict --onnx net.onnx --dataset imagenet1k
    """
    settings = load_settings(
        forests=forests, var=var, database_url=database_url, device=device, log_level="warning"
    )
    configure_logging("warning")
    query = {name: text for name, text in texts.items() if text is not None}
    specs = [*map(_read_spec, spec or []), *(acorn.from_onnx(path) for path in onnx or [])]
    if space is None or arch is None:
        missing = [name for name, given in (("--space", space), ("--arch", arch)) if not given]
        if not specs or len(missing) == 1:
            raise InputError(f"Missing option {missing[0]}; expected it, or --spec or --onnx")
    else:
        specs += [{"space": space, "arch": architecture} for architecture in _architectures(arch)]
    document = {"architectures": specs, **read_query(query)}
    spaces = [item.get("space") for item in specs if isinstance(item, dict)]
    answer = asyncio.run(_answer(settings, document, () if "forest" in query else spaces))
    if as_json:
        print_line(answer.model_dump_json())
    else:
        _show(answer)


async def _answer(
    settings: Settings, document: object, spaces: Collection[object]
) -> PredictResponse:
    from service.prediction.in_process import InProcessCompute
    from service.prediction.plugin_ranks import rank_plugin_spaces
    from service.prediction.predictor import Predictor
    from service.repository.model_repository import ModelRepository
    from service.storage.cache import FeatureCache
    from service.storage.database import Database
    from service.storage.feature_store import FeatureStore
    from service.workers.feature_work import FeatureWorkFactory

    forests = ModelRepository(settings.forests, settings.ranks)
    rank_plugin_spaces(forests, spaces, shows_progress=True)
    cache = FeatureCache(FeatureStore(Database(settings.store_url)))
    with progress("features") as on_progress:
        compute = InProcessCompute(
            FeatureWorkFactory(device=settings.device),
            on_result=lambda _key, task, row: cache.remember(row, task.recipe),
            on_progress=on_progress,
        )
        predictor = Predictor(
            forests, cache, compute, max_architectures=sys.maxsize, max_explanations=sys.maxsize
        )
        try:
            return await predictor.predict(document)
        finally:
            predictor.close()
            cache.close()


def _architectures(arguments: Iterable[str]) -> list[object]:
    lines = (line.strip() for text in arguments for line in (sys.stdin if text == "-" else (text,)))
    architectures = [_read(line) for line in lines if line]
    if not architectures:
        raise InputError("got no architecture; expected at least one")
    return architectures


def _read(text: str) -> object:
    """Read an architecture: a JSON object if it begins with a brace, else text."""
    if not text.startswith("{"):
        return text
    try:
        return parse_json(text.encode("utf-8", "surrogateescape"))
    except JSONError as error:
        raise InputError(f"got an architecture that {error}; expected a JSON object") from None


def _read_spec(path: Path) -> object:
    """Read a file that ``acorn export`` wrote."""
    try:
        return parse_json(path.read_bytes())
    except JSONError as error:
        raise InputError(f"got {path}, which {error}; expected space and arch") from None


def _show(answer: PredictResponse) -> None:
    rows = [
        [
            prediction.arch,
            name,
            *_estimate(target),
            answer.target_details[name].unit,
            "yes" if prediction.in_domain else "no",
            prediction.feature_source,
        ]
        for prediction in answer.predictions
        for name, target in prediction.targets.items()
    ]
    print_table(
        ["architecture", "target", "value", "lower", "upper", "unit", "in domain", "features"],
        rows,
    )
    details = answer.feature_details or {}
    group_rows = [
        [prediction.arch, name, item["group"], f"{item['contribution']:+.3f}"]
        for prediction in answer.predictions
        for name, groups in (prediction.attribution_groups or {}).items()
        for item in groups
    ]
    feature_rows = [
        [prediction.arch, name, details[item["feature"]].title, f"{item['contribution']:+.3f}"]
        for prediction in answer.predictions
        for name, contributions in (prediction.attributions or {}).items()
        for item in contributions[:10]
    ]
    for kind, table in (("group of features", group_rows), ("feature", feature_rows)):
        if table:
            print_table(["architecture", "target", kind, "contribution"], table)
    _show_related(answer)
    proxy_rows = [
        [prediction.arch, name, _number(value) if value is not None else prediction.reasons[name]]
        for prediction in answer.predictions
        for name, value in (prediction.proxies or {}).items()
    ]
    if proxy_rows:
        print_table(["architecture", "proxy", "value"], proxy_rows)


def _show_related(answer: PredictResponse) -> None:
    """Print the architectures of an explanation: similar ones, and the best one edit away."""
    near_rows = []
    for prediction in answer.predictions:
        for near in prediction.nearest or []:
            name, predicted = next(iter(near.predicted.items()))  # of the first target
            row = [prediction.arch, near.arch, f"{near.distance:.4f}", name]
            near_rows.append([*row, *_estimate(predicted)])
    if near_rows:
        head = ["architecture", "nearest architecture", "distance", "target"]
        print_table([*head, "predicted", "lower", "upper"], near_rows)
    change_rows: list[list[str]] = []
    reasons: dict[str, None] = {}
    for prediction in answer.predictions:
        changes = prediction.changes
        for name, best in (changes.best if changes else {}).items():
            if best is None:
                change_rows.append([prediction.arch, name, "none is better", "", "", "", ""])
            else:
                row = [prediction.arch, name, best.change, best.arch]
                change_rows.append([*row, *_estimate(best)])
        if changes and changes.reason:
            reasons[changes.reason] = None
    if change_rows:
        head = ["architecture", "target", "best single edit", "result"]
        print_table([*head, "predicted", "lower", "upper"], change_rows)
    for reason in reasons:
        print_line(f"Single edits: {reason}.")


def _estimate(prediction: TargetPrediction) -> list[str]:
    return [_number(number) for number in (prediction.value, prediction.lower, prediction.upper)]


def _number(value: float) -> str:
    """Two decimals, and at least three digits that count."""
    return f"{value:.2f}" if abs(value) >= 1 or not value else f"{value:.3g}"
