"""What this process counts about itself, for Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class Figures:
    """One registry per application, so that tests can make many."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "desktop_requests_total",
            "HTTP requests",
            ["endpoint", "method", "status"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "desktop_request_seconds",
            "Time of HTTP requests",
            ["endpoint"],
            registry=self.registry,
            buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5),
        )
        self.pushes = Counter("desktop_pushes_total", "Seat states pushed", registry=self.registry)
        self.gaps = Counter("desktop_link_gaps_total", "Gaps in the floor's changes", registry=self.registry)
        self.commands = Counter(
            "desktop_commands_total", "Commands to the cti", ["name", "result"], registry=self.registry
        )
        self.linked = Gauge("desktop_link_connected", "Is this PBX seen", ["pbx"], registry=self.registry)
        self.pages = Gauge("desktop_pages", "Pages connected by Socket.IO", registry=self.registry)
