"""Metrics and reloads of several replicas, joined."""

import pytest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.parser import text_string_to_metric_families

from acorn.schemas.prediction import ForestInfo, RefusedForest, Reload
from service.errors import ReloadError
from service.observability.metrics import exposition
from service.replicas import join_reloads, label_metrics
from service.repository.model_repository import ModelRepository
from tests.service.small_forest import SmallForest


def metrics(n: int) -> list[Metric]:
    lookups = CounterMetricFamily("lookups", "Rows.", labels=["source"])
    lookups.add_metric(["table"], n)
    return [GaugeMetricFamily("ready", "Whether.", value=1.0), lookups]


def test_every_sample_is_kept_under_its_replica() -> None:
    text, _ = exposition(label_metrics({"a": metrics(3), "b": metrics(4)}), "text/plain")
    families = {each.name: each for each in text_string_to_metric_families(text.decode())}
    assert families.keys() == {"ready", "lookups"}
    assert families["lookups"].type == "counter"
    assert [(s.labels, s.value) for s in families["lookups"].samples] == [
        ({"source": "table", "replica": "a"}, 3.0),
        ({"source": "table", "replica": "b"}, 4.0),
    ]
    assert text.decode().count("# HELP") == 2


def test_families_of_one_replica_alone_are_shown() -> None:
    joined = label_metrics({"a": [], "b": metrics(1)})
    assert [each.name for each in joined] == ["ready", "lookups"]


@pytest.fixture(scope="module")
def info(small: SmallForest) -> ForestInfo:
    return ModelRepository(small.folder).snapshot.listing.forests[0]


def result(*forests: ForestInfo, added: tuple[str, ...] = (), refused: str = "") -> Reload:
    bundles = [RefusedForest(name=refused, reason="it is bad")] if refused else []
    return Reload(forests=[*forests], refused=bundles, added=[*added], removed=[])


def test_reloads_are_joined(info: ForestInfo) -> None:
    # The second replica started a moment ago, with the new forest.
    joined = join_reloads([result(info, added=("x@1",), refused="bad"), result(info)])
    assert joined.forests == [info]
    assert joined.added == ["x@1"]
    assert [bundle.name for bundle in joined.refused] == ["bad"]
    assert joined.replicas == 2


def test_a_replica_that_did_not_reload_is_an_error(info: ForestInfo) -> None:
    with pytest.raises(ReloadError, match="1 of 3 replicas did not reload: no such folder"):
        join_reloads([result(info), ReloadError("no such folder"), result(info)])


def test_replicas_with_different_forests_are_an_error(info: ForestInfo) -> None:
    other = info.model_copy(update={"version": "9"})
    with pytest.raises(ReloadError, match=f"2 replicas do not serve the same {info.name}@9;"):
        join_reloads([result(info), result(info, other)])
