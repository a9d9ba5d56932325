"""``acorn predict``."""

import asyncio
import sys
from collections.abc import Iterable
from typing import Annotated, get_args

import typer

from acorn.errors import InputError
from acorn.schemas.predict_options import Explain, PredictOptions, read_query
from acorn.schemas.prediction import PredictResponse
from acorn.strict_json import JSONError, parse_json
from service.observability.logs import configure_logging
from service.settings import Settings, load_settings
from training.commands.shared import completion, options
from training.commands.shared.output import print_line, print_table
from training.commands.shared.progress import progress


@options.with_fields(
    PredictOptions,
    omit=frozenset({"features"}),  # the JSON has them always, the table never
    dataset=completion.datasets,
    explain=lambda: [*get_args(Explain)],
    forest=completion.bundles,
)
def predict(
    space: options.Space,
    arch: Annotated[
        list[str],
        typer.Option(help="Architecture; may be given several times. - reads one a line."),
    ],
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
    """
    settings = load_settings(
        forests=forests, var=var, database_url=database_url, device=device, log_level="warning"
    )
    configure_logging("warning")
    query = {name: text for name, text in texts.items() if text is not None}
    specs = [{"space": space, "arch": architecture} for architecture in _architectures(arch)]
    answer = asyncio.run(_answer(settings, {"architectures": specs, **read_query(query)}))
    if as_json:
        print_line(answer.model_dump_json())
    else:
        _show(answer)


async def _answer(settings: Settings, document: object) -> PredictResponse:
    from service.prediction.in_process import InProcessCompute
    from service.prediction.predictor import Predictor
    from service.repository.model_repository import ModelRepository
    from service.storage.cache import FeatureCache
    from service.storage.database import Database
    from service.storage.feature_store import FeatureStore
    from service.workers.feature_work import FeatureWorkFactory

    forests = ModelRepository(settings.forests)
    cache = FeatureCache(FeatureStore(Database(settings.store_url)))
    with progress("features") as on_progress:
        compute = InProcessCompute(
            FeatureWorkFactory(device=settings.device),
            on_result=lambda _key, task, row: cache.remember(row, task.recipe),
            on_progress=on_progress,
        )
        predictor = Predictor(
            forests,
            cache,
            compute,
            max_architectures=sys.maxsize,
            max_explanations=sys.maxsize,
        )
        try:
            return await predictor.predict(document)
        finally:
            predictor.close()
            cache.close()


def _architectures(given: Iterable[str]) -> list[object]:
    texts: list[str] = []
    for text in given:
        texts += (line.strip() for line in sys.stdin) if text == "-" else (text,)
    texts = [text for text in texts if text]
    if not texts:
        raise InputError("got no architecture; expected at least one")
    return [_read(text) for text in texts]


def _read(text: str) -> object:
    """Read an architecture that is an object as JSON; all others are text."""
    if not text.startswith("{"):
        return text
    try:
        return parse_json(text.encode("utf-8", "surrogateescape"))
    except JSONError as error:
        raise InputError(
            f"an architecture that begins with a brace has to be JSON; it {error}"
        ) from None


def _show(answer: PredictResponse) -> None:
    rows = [
        [
            prediction.arch,
            name,
            f"{target.value:.2f}",
            f"{target.lower:.2f}",
            f"{target.upper:.2f}",
            "yes" if prediction.in_domain else "no",
            prediction.feature_source,
        ]
        for prediction in answer.predictions
        for name, target in prediction.targets.items()
    ]
    print_table(
        ["architecture", "target", "value", "lower", "upper", "in domain", "features"], rows
    )
    attribution_rows = [
        [prediction.arch, name, item["feature"], f"{item['contribution']:+.3f}"]
        for prediction in answer.predictions
        for name, contributions in (prediction.attributions or {}).items()
        for item in contributions[:10]
    ]
    if attribution_rows:
        print_table(["architecture", "target", "feature", "contribution"], attribution_rows)
