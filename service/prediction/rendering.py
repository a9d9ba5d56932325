"""Responses as JSON text, with a cache for the parts that are the same in every response.

A bundle's prediction for an architecture never changes; only the cost of the submitted network, the
source of its features and the times belong to one request. The text of the former is cached, and
that of the latter is appended.
"""

import threading
import time
from collections.abc import Hashable, Mapping

from cachetools import LRUCache
from pydantic import TypeAdapter

from acorn.datasets import get_dataset
from acorn.schemas.prediction import FeatureSource, Importance, RequestDetails, Seconds
from service.prediction.answers import ArchFeatures, answer, importances_of, submitted_cost
from service.prediction.plan import Plan

CACHE_BYTES = 64 * 2**20

_REQUEST_DETAILS = set(RequestDetails.model_fields)
_IMPORTANCES = TypeAdapter(dict[str, list[Importance]])


class TextCache:
    """A thread-safe cache of texts; the least recently used leave first.

    Parameters
    ----------
    max_bytes : int, default=CACHE_BYTES
        Most bytes of all texts together.
    """

    def __init__(self, max_bytes: int = CACHE_BYTES) -> None:
        self._texts: LRUCache[Hashable, bytes] = LRUCache(max_bytes, getsizeof=len)
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> bytes | None:
        """Look up a text; None if it is not cached."""
        with self._lock:
            return self._texts.get(key)

    def put(self, key: Hashable, text: bytes) -> None:
        """Cache a text, unless it exceeds the size of the cache."""
        if len(text) <= self._texts.maxsize:
            with self._lock:
                self._texts[key] = text

    def __len__(self) -> int:
        return len(self._texts)


class Renderer:
    """Writes a :class:`~acorn.schemas.prediction.PredictResponse` as JSON; thread-safe."""

    def __init__(self) -> None:
        self._texts = TextCache()

    def cached_texts(self, plan: Plan) -> dict[str, bytes]:
        """Look up the predictions of a plan's architectures.

        Parameters
        ----------
        plan : Plan

        Returns
        -------
        dict of str to bytes
            The cached texts, by id.
        """
        texts = ((id_, self._texts.get(plan.key(id_))) for id_ in plan.distinct)
        return {id_: text for id_, text in texts if text is not None}

    def write(
        self, plan: Plan, cached: Mapping[str, bytes], features_by_id: Mapping[str, ArchFeatures]
    ) -> bytes:
        """Write a response.

        Parameters
        ----------
        plan : Plan
            What to answer.
        cached : mapping of str to bytes
            The result of :meth:`cached_texts`.
        features_by_id : mapping of str to ArchFeatures
            Features of the plan's other architectures.

        Returns
        -------
        bytes
            JSON.
        """
        start = time.perf_counter()
        texts = dict(cached)
        origins: dict[str, tuple[FeatureSource, Seconds]] = {}
        new = [arch for id_, arch in plan.distinct.items() if id_ not in cached]
        if new:
            response = answer(plan.request, new, plan.forest, plan.targets, features_by_id)
            for prediction in response.predictions:
                id_ = prediction.id
                texts[id_] = prediction.model_dump_json(exclude=_REQUEST_DETAILS).encode()
                self._texts.put(plan.key(id_), texts[id_])
                origins[id_] = prediction.feature_source, prediction.seconds
        importances = self._importances(plan)
        share = (time.perf_counter() - start) / len(plan.distinct)
        for id_ in cached:
            source: FeatureSource = "table" if id_ in plan.forest.bundle.table else "cache"
            origins[id_] = source, Seconds(queue=0.0, features=0.0, forest=share)
        dataset = get_dataset(plan.forest.bundle.dataset)
        predictions = []
        for arch in plan.architectures:
            source, seconds = origins[arch.id]
            details = RequestDetails(
                submitted=submitted_cost(arch, dataset), feature_source=source, seconds=seconds
            )
            predictions.append(texts[arch.id][:-1] + b"," + details.model_dump_json().encode()[1:])
        return b'{"forest":%b,"predictions":[%b],"importances":%b}' % (
            plan.forest.answer_name.model_dump_json().encode(),
            b",".join(predictions),
            importances,
        )

    def _importances(self, plan: Plan) -> bytes:
        key = (plan.forest.digest, plan.targets)
        text = self._texts.get(key)
        if text is None:
            text = _IMPORTANCES.dump_json(importances_of(plan.forest, plan.targets))
            self._texts.put(key, text)
        return text
