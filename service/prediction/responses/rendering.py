"""Responses as JSON text, with a cache for the parts that are the same in every response.

A bundle's prediction for an architecture never changes. Its text is cached. The cost of the
submitted network, the source of its features and the times depend on the request. Their text is
appended.
"""

import threading
import time
from collections.abc import Hashable, Mapping

from cachetools import LRUCache
from pydantic import TypeAdapter

from acorn.schemas.prediction import (
    FeatureSource,
    Importance,
    ProxyProvenance,
    RequestDetails,
    Seconds,
    TargetDetail,
)
from service.prediction.feature_path import ArchFeatures
from service.prediction.plan import Plan
from service.prediction.responses.answers import MOST_IMPORTANCES, answer, submitted_cost

CACHE_BYTES = 64 * 2**20

_RESPONSE = (
    b'{"forest":%b,"target_details":%b,"predictions":[%b],"importances":%b,'
    b'"feature_details":%b,"settings":%b}'
)
_REQUEST_DETAILS = set(RequestDetails.model_fields)
_IMPORTANCES = TypeAdapter(dict[str, list[Importance]])
_DETAILS = TypeAdapter(dict[str, TargetDetail])


class TextCache:
    """A thread-safe cache of texts; the least recently used are removed first.

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
            The cached texts, by key of the case.
        """
        texts = ((key, self._texts.get(plan.key(key))) for key in plan.distinct)
        return {key: text for key, text in texts if text is not None}

    def write(
        self,
        plan: Plan,
        cached: Mapping[str, bytes],
        features_by_key: Mapping[str, ArchFeatures],
        provenance: ProxyProvenance | None = None,
    ) -> bytes:
        """Write a response.

        Parameters
        ----------
        plan : Plan
            What to answer.
        cached : mapping of str to bytes
            The result of :meth:`cached_texts`.
        features_by_key : mapping of str to ArchFeatures
            Features of the plan's other architectures, by key of the case.
        provenance : ProxyProvenance, default=None
            What the proxies of the request were computed with.

        Returns
        -------
        bytes
            JSON.
        """
        start = time.perf_counter()
        texts = dict(cached)
        origins: dict[str, tuple[FeatureSource, Seconds]] = {}
        new = {key: case for key, case in plan.distinct.items() if key not in cached}
        if new:
            cases = [*new.values()]
            response = answer(
                plan.request,
                cases,
                plan.forest,
                plan.targets,
                features_by_key,
                related=plan.is_related,
            )
            for key, prediction in zip(new, response.predictions, strict=True):
                texts[key] = prediction.model_dump_json(exclude=_REQUEST_DETAILS).encode()
                self._texts.put(plan.key(key), texts[key])
                origins[key] = prediction.feature_source, prediction.seconds
        importances = self._importances(plan)
        share = (time.perf_counter() - start) / len(plan.distinct)
        bundle = plan.forest.bundle
        for key in cached:
            in_table = plan.proxies is None and plan.distinct[key].row_id in bundle.table
            source: FeatureSource = "table" if in_table else "cache"
            origins[key] = source, Seconds(queue=0.0, features=0.0, forest=share)
        predictions = []
        for case in plan.architectures:
            source, seconds = origins[case.key]
            details = RequestDetails(
                submitted=submitted_cost(case, bundle), feature_source=source, seconds=seconds
            )
            predictions.append(texts[case.key][:-1] + b"," + details.model_dump_json().encode()[1:])
        features = b"null"
        if plan.request.explain != "none":
            features = plan.forest.feature_details_json
        return _RESPONSE % (
            plan.forest.answer_name.model_dump_json().encode(),
            _DETAILS.dump_json(plan.forest.target_details(plan.targets)),
            b",".join(predictions),
            importances,
            features,
            b"null" if provenance is None else provenance.model_dump_json().encode(),
        )

    def _importances(self, plan: Plan) -> bytes:
        key = (plan.forest.digest, plan.targets)
        text = self._texts.get(key)
        if text is None:
            importances = plan.forest.importances(plan.targets, most=MOST_IMPORTANCES)
            text = _IMPORTANCES.dump_json(importances)
            self._texts.put(key, text)
        return text
