"""What the server counts, for Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

# From a small model's answer to the longest that anybody waits for.
SECONDS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 10, 30)
PHOTOS = (1, 2, 3, 4, 5, 6, 7, 8)


class Counters:
    """The figures of one server."""

    def __init__(self) -> None:
        own = CollectorRegistry()
        self._registry = own
        self.requests = Counter(
            "dogbreed_requests", "Requests to /invocations by status", ["status"], registry=own
        )
        self.seconds = Histogram(
            "dogbreed_request_seconds",
            "Seconds from a request's first line to its answer, of those answered by 200",
            buckets=SECONDS,
            registry=own,
        )
        self.batch = Histogram(
            "dogbreed_batch_photos",
            "Photos that a photo was computed together with, itself counted",
            buckets=PHOTOS,
            registry=own,
        )
        self.waiting = Gauge(
            "dogbreed_waiting_photos", "Photos that wait for their answer now", registry=own
        )
        self.restarts = Counter(
            "dogbreed_worker_restarts", "Times that a worker process had to be replaced",
            registry=own,
        )  # fmt: skip

    def as_text(self) -> bytes:
        """In Prometheus' text format."""
        return generate_latest(self._registry)
