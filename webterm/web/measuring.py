"""Measurements for Prometheus, in a registry of our own: a host application has its own, or another webterm.

Labels are few and known beforehand: the route's template, never its path, and no person, terminal or login. What is
never asked for and what never fails is there, as a zero, from the start.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from webterm.web.row import Row

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
STATUSES = ("1xx", "2xx", "3xx", "4xx", "5xx")
OUTCOMES = ("accepted", "refused", "limited", "failed")
SECONDS = (0.001, 0.005, 0.025, 0.1, 0.5, 2.5)
SWITCHING = 101


class Metrics:
    """What one webterm counts and measures."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "webterm_http_requests", "Answered requests.", ("route", "method", "status"), registry=self.registry
        )
        self._seconds = Histogram(
            "webterm_http_request_seconds",
            "Time until a request was answered, WebSockets excepted.",
            ("route",),
            buckets=SECONDS,
            registry=self.registry,
        )
        self._sign_ins = Counter(
            "webterm_sign_ins", "Attempts to prove who one is.", ("route", "outcome"), registry=self.registry
        )
        self._gauges: Mapping[str, Gauge] = {
            name: Gauge(f"webterm_{name}", doc, registry=self.registry)
            for name, doc in (
                ("terminals", "Running programs with a terminal."),
                ("exited", "Terminals kept after their program has ended."),
                ("viewers", "Attached viewers."),
                ("connections", "Open WebSockets."),
            )
        }
        self._running = Gauge(
            "webterm_running_workspaces", "Workspaces whose runtime is up.", ("driver",), registry=self.registry
        )

    def declare(self, rows: Sequence[Row]) -> None:
        """Show every number from the start, as a zero."""
        for row in rows:
            for status in STATUSES:
                if row.method != "*":
                    self._requests.labels(row.template, row.method, status)
            if row.limit == "auth":
                for outcome in OUTCOMES:
                    self._sign_ins.labels(row.template, outcome)

    def answered(self, row: Row, method: str, status: int, seconds: float) -> None:
        """A request has been answered."""
        route = row.template
        self._requests.labels(route, method if method in METHODS else "other", f"{status // 100}xx").inc()
        if status != SWITCHING:
            self._seconds.labels(route).observe(seconds)
        if row.limit == "auth":
            self._sign_ins.labels(route, _outcome(status)).inc()

    def now(self, counts: Mapping[str, int], running: Mapping[str, int]) -> None:
        """Set the gauges: ``terminals``, ``exited``, ``viewers`` and ``connections``, and ``running`` by driver."""
        for name, gauge in self._gauges.items():
            gauge.set(counts[name])
        for driver, number in running.items():
            self._running.labels(driver).set(number)


def _outcome(status: int) -> str:
    if status == 429:
        return "limited"
    return {4: "refused", 5: "failed"}.get(status // 100, "accepted")
