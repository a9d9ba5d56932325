"""The replicas of one server: their metrics in one response, and a reload that reaches all.

A server of several replicas, as Ray Serve runs it, answers a request by any one of them. What
concerns all of them is asked of all, through :class:`Replicas`.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from prometheus_client.metrics_core import Metric

from acorn.schemas.prediction import Reload
from service.errors import ReloadError


class Replicas(Protocol):
    """All replicas of the server, as one of them sees them.

    Attributes
    ----------
    own_name : str
        Name of the replica that asks.
    """

    own_name: str

    async def read_metrics(self) -> Mapping[str, Sequence[Metric]]:
        """Read the metrics of the replicas, by name; without those that do not answer in time."""
        ...

    async def reload(self) -> Sequence[Reload | Exception]:
        """Reload the forests of every replica; an error takes the place of a result."""
        ...


def label_metrics(by_replica: Mapping[str, Iterable[Metric]]) -> list[Metric]:
    """Join the metrics of replicas; each sample gets the label ``replica``.

    Parameters
    ----------
    by_replica : mapping of str to iterable of Metric
        Metric families by the name of the replica.

    Returns
    -------
    list of Metric
        Each family once.
    """
    families: dict[str, Metric] = {}
    for replica, metrics in by_replica.items():
        for metric in metrics:
            empty = Metric(metric.name, metric.documentation, metric.type, metric.unit)
            families.setdefault(metric.name, empty).samples += [
                sample._replace(labels={**sample.labels, "replica": replica})
                for sample in metric.samples
            ]
    return [*families.values()]


def join_reloads(results: Sequence[Reload | Exception]) -> Reload:
    """Join the results of a reload of several replicas.

    Parameters
    ----------
    results : sequence of Reload or Exception
        One for each replica, at least one.

    Returns
    -------
    Reload
        The forests that every replica serves, and what any of them added, removed and refused.

    Raises
    ------
    ReloadError
        If a replica did not reload, or if replicas serve different forests.
    """
    n = len(results)
    done = [result for result in results if isinstance(result, Reload)]
    if len(done) < n:
        error = next(result for result in results if isinstance(result, Exception))
        raise ReloadError(f"{n - len(done)} of {n} replicas did not reload: {error}")
    served = Counter((f.name, f.version, f.digest) for each in done for f in each.forests)
    if some := {f"{name}@{version}" for (name, version, _), count in served.items() if count < n}:
        names = ", ".join(sorted(some))
        raise ReloadError(
            f"the {n} replicas do not serve the same {names}; expected equal forests folders on "
            "all machines"
        )
    refused = {bundle.name: bundle for each in done for bundle in each.refused}
    return Reload(
        forests=done[0].forests,
        refused=[refused[name] for name in sorted(refused)],
        added=sorted({name for each in done for name in each.added}),
        removed=sorted({name for each in done for name in each.removed}),
        replicas=n,
    )
