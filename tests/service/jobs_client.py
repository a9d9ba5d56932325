"""What tests do with the jobs of a server."""

import json
from collections.abc import Iterable
from typing import Any

import httpx

from tests.service.servers import Requests, until

Json = dict[str, Any]


def specs(cells: Iterable[str]) -> list[Json]:
    return [{"space": "nats_tss", "arch": cell} for cell in cells]


class JobsClient(httpx.Client):
    """Sends jobs, and looks after them."""

    def __init__(self, server: Requests, **options: Any) -> None:
        super().__init__(base_url=server.url, timeout=60.0, transport=server.transport, **options)

    def submit(self, cells: Iterable[str], **fields: object) -> Json:
        response = self.post("/jobs", json={"architectures": specs(cells), **fields})
        assert response.status_code == 202, response.text
        assert response.headers["location"] == response.json()["links"]["job"]
        return response.json()

    def show(self, job: Json) -> Json:
        response = self.get(job["links"]["job"])
        assert response.status_code == 200, response.text
        return response.json()

    def until_done(self, job: Json) -> Json:
        until(lambda: self.show(job)["state"] == "done", lambda: str(self.show(job)))
        return self.show(job)

    def until_begun(self, job: Json) -> Json:
        """Wait until the job has some results."""
        until(lambda: self.lines(job) != [], lambda: str(self.show(job)))
        return self.show(job)

    def lines(self, job: Json, **query: int | str) -> list[Json]:
        response = self.get(job["links"]["result"], params=query)
        assert response.status_code == 200, response.text
        assert response.headers["content-type"] == "application/x-ndjson"
        return [json.loads(line) for line in response.text.splitlines()]

    def events(self, job: Json, last: str | None = None) -> list[tuple[str, str, Json]]:
        """All events of a job until its end: name, id, data."""
        headers = {} if last is None else {"Last-Event-ID": last}
        found, event = [], dict[str, str]()
        with self.stream("GET", job["links"]["events"], headers=headers) as response:
            assert response.status_code == 200
            assert response.headers["content-type"].startswith("text/event-stream")
            for line in response.iter_lines():
                if line:
                    name, _, value = line.partition(": ")
                    event[name] = value
                elif "data" in event:
                    found.append((event["event"], event["id"], json.loads(event["data"])))
                    event = {}
        return found
