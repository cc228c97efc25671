"""What the server counts, for Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

# Upper bounds of buckets, from the latency of a small model to the longest that a client waits.
SECONDS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 10, 30)
PHOTOS = (1, 2, 3, 4, 5, 6, 7, 8)


class Counters:
    """The metrics of one server."""

    def __init__(self) -> None:
        registry = CollectorRegistry()
        self._registry = registry
        self.requests = Counter(
            "dogbreed_requests", "Requests to /invocations by status", ["status"], registry=registry
        )
        self.refused = Counter(
            "dogbreed_refused_requests",
            "Requests to any path that were refused for their host, site or token, by error code",
            ["code"],
            registry=registry,
        )
        self.seconds = Histogram(
            "dogbreed_request_seconds",
            "Seconds from a request's first line to its response, of those with status 200",
            buckets=SECONDS,
            registry=registry,
        )
        self.batch = Histogram(
            "dogbreed_batch_photos",
            "Photos in the batch that a photo was computed in",
            buckets=PHOTOS,
            registry=registry,
        )
        self.waiting = Gauge(
            "dogbreed_waiting_photos", "Photos whose prediction is pending", registry=registry
        )
        self.restarts = Counter(
            "dogbreed_worker_restarts", "Restarts of a worker process", registry=registry
        )

    def as_text(self) -> bytes:
        """In Prometheus' text format."""
        return generate_latest(self._registry)
