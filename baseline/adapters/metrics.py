"""Metrics for Prometheus: ``ports.MetricName`` holds the names, the table below their labels."""

from __future__ import annotations

from typing import get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from baseline.ports import MetricName

PREFIX = "baseline_"
_HISTOGRAMS = frozenset({"score_seconds", "checkpoint_seconds", "restriction_apply_seconds", "http_request_seconds"})
_LABELS: dict[str, tuple[str, ...]] = {
    "agent_lines_total": ("result",),
    "flows_consumed_total": ("result",),
    "dead_letters_total": ("reason",),
    "late_records_total": ("result",),
    "windows_closed_total": ("horizon",),
    "deviations_total": ("family",),
    "deviations_silenced_total": ("scope",),
    "alerts_opened_total": ("family",),
    "checkpoints_total": ("result",),
    "model_set_loads_total": ("result",),
    "restrictions_total": ("state",),
    "restrictions_expired_total": ("by",),
    "guard_refusals_total": ("guard",),
    "cluster_writes_total": ("verb",),
    "cluster_errors_total": ("error",),
    "notifications_total": ("channel", "result"),
    "http_requests_total": ("route", "code"),
    "http_request_seconds": ("route",),
    "loop_errors_total": ("error",),
}


class PrometheusMetrics:
    """One registry for one process; nothing global, so that several can live in one test or demo."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._counters: dict[str, Counter] = {}
        self._gauges: dict[str, Gauge] = {}
        self._histograms: dict[str, Histogram] = {}
        for name in get_args(MetricName):
            self._declare(name)

    def _declare(self, name: str) -> None:
        labels = _LABELS.get(name, ())
        text = name.replace("_", " ")
        if name in _HISTOGRAMS:
            self._histograms[name] = Histogram(PREFIX + name, text, labels, registry=self._registry)
        elif name.endswith("_total"):
            self._counters[name] = Counter(PREFIX + name, text, labels, registry=self._registry)
        else:
            self._gauges[name] = Gauge(PREFIX + name, text, labels, registry=self._registry)

    def count(self, name: MetricName, amount: float = 1, **labels: str) -> None:
        """Add to a counter."""
        counter = self._counters[name]
        (counter.labels(**labels) if labels else counter).inc(amount)

    def gauge(self, name: MetricName, value: float, **labels: str) -> None:
        """Set a gauge."""
        gauge = self._gauges[name]
        (gauge.labels(**labels) if labels else gauge).set(value)

    def observe(self, name: MetricName, seconds: float, **labels: str) -> None:
        """Add to a histogram."""
        histogram = self._histograms[name]
        (histogram.labels(**labels) if labels else histogram).observe(seconds)

    def value(self, name: MetricName, **labels: str) -> float:
        """What a counter or gauge stands at (0 when never touched): for status pages and the demo."""
        suffix = "" if name.endswith("_total") or name in self._gauges else "_count"
        return self._registry.get_sample_value(PREFIX + name + suffix, labels) or 0.0

    def total(self, name: MetricName) -> float:
        """Sum of a counter over all its labels."""
        wanted = PREFIX + name
        return sum(
            sample.value for family in self._registry.collect() for sample in family.samples if sample.name == wanted
        )

    def render(self) -> bytes:
        """Prometheus text format 0.0.4."""
        return generate_latest(self._registry)
