"""Answers as JSON text: written once for a function, and kept for whoever asks next.

What a forest says of a function is the same every time; only the cost of the network that was
submitted, and where the time went, are a request's own. So the text of the one is kept, and that of
the other is put behind it.
"""

import threading
import time
from collections.abc import Hashable, Mapping

from cachetools import LRUCache
from pydantic import TypeAdapter

from acorn.datasets import get_dataset
from acorn.schemas.prediction import Circumstances, FeatureSource, ForestName, Importance, Seconds
from service.prediction.answers import Known, answer, importances_of, submitted_cost
from service.prediction.plans import Plan

KEPT_BYTES = 64 * 2**20
"""Most text that is kept; the least recently used goes first."""

_CIRCUMSTANCES = set(Circumstances.model_fields)
_IMPORTANCES = TypeAdapter(dict[str, list[Importance]])


class Texts:
    """Texts by key, the most recently used of them; for any thread."""

    def __init__(self, most_bytes: int = KEPT_BYTES) -> None:
        self._texts: LRUCache[Hashable, bytes] = LRUCache(most_bytes, getsizeof=len)
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> bytes | None:
        """Find a text."""
        with self._lock:
            return self._texts.get(key)

    def put(self, key: Hashable, text: bytes) -> None:
        """Keep a text, unless it alone is larger than all that may be kept."""
        if len(text) <= self._texts.maxsize:
            with self._lock:
                self._texts[key] = text

    def __len__(self) -> int:
        """Count the texts."""
        return len(self._texts)


class Renderer:
    """Writes the text of a :class:`~acorn.schemas.prediction.PredictResponse`; for any thread.

    Parameters
    ----------
    texts
        Where the parts are kept.
    """

    def __init__(self, texts: Texts | None = None) -> None:
        self._texts = Texts() if texts is None else texts

    def at_hand(self, plan: Plan) -> dict[str, bytes]:
        """Find what was written of the plan's functions before, by id."""
        found = ((id_, self._texts.get(plan.key(id_))) for id_ in plan.distinct)
        return {id_: text for id_, text in found if text is not None}

    def write(self, plan: Plan, at_hand: Mapping[str, bytes], known: Mapping[str, Known]) -> bytes:
        """Write an answer.

        Parameters
        ----------
        plan
            What is asked for.
        at_hand
            What :meth:`at_hand` found.
        known
            Features of the plan's other functions.
        """
        start = time.perf_counter()
        texts = dict(at_hand)
        own: dict[str, tuple[FeatureSource, Seconds]] = {}
        missing = [each for id_, each in plan.distinct.items() if id_ not in at_hand]
        if missing:
            response = answer(plan.request, missing, plan.forest, plan.targets, known)
            for made in response.predictions:
                text = made.model_dump_json(exclude=_CIRCUMSTANCES).encode()
                self._texts.put(plan.key(made.id), text)
                texts[made.id], own[made.id] = text, (made.feature_source, made.seconds)
        importances = self._importances(plan)
        share = (time.perf_counter() - start) / len(plan.distinct)
        for id_ in at_hand:
            source: FeatureSource = "table" if id_ in plan.forest.bundle.table else "cache"
            own[id_] = source, Seconds(queue=0.0, features=0.0, forest=share)
        dataset = get_dataset(plan.forest.bundle.dataset)
        predictions = []
        for each in plan.architectures:
            source, seconds = own[each.id]
            circumstances = Circumstances(
                submitted=submitted_cost(each, dataset), feature_source=source, seconds=seconds
            )
            text = circumstances.model_dump_json().encode()
            predictions.append(texts[each.id][:-1] + b"," + text[1:])
        head = ForestName(name=plan.forest.name, version=plan.forest.bundle.version)
        return b'{"forest":%b,"predictions":[%b],"importances":%b}' % (
            head.model_dump_json().encode(),
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
