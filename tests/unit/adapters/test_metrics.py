"""Every metric can be told with its labels, and with no others."""

from __future__ import annotations

from typing import get_args

import pytest

from baseline.adapters import metrics as adapter
from baseline.adapters.metrics import PrometheusMetrics
from baseline.ports import MetricName

NAMES: tuple[MetricName, ...] = get_args(MetricName)


def labels_of(name: MetricName) -> dict[str, str]:
    """A value for each of its labels."""
    return dict.fromkeys(adapter._LABELS.get(name, ()), 'x"\n\\')


def tell(metrics: PrometheusMetrics, name: MetricName, **labels: str) -> None:
    """Once, by the verb of its kind."""
    if name.endswith("_total"):
        metrics.count(name, 1.0, **labels)
    elif name.endswith("_seconds") and name in adapter._HISTOGRAMS:
        metrics.observe(name, 1.0, **labels)
    else:
        metrics.gauge(name, 1.0, **labels)


def test_labels_and_histograms_are_of_metrics_that_exist() -> None:
    """A misspelt entry of the tables would leave its metric without labels."""
    assert set(adapter._LABELS) | adapter._HISTOGRAMS <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_metric_can_be_told_with_its_labels(name: MetricName) -> None:
    """Told once is one, in total too for a counter, and rendered under our prefix."""
    metrics = PrometheusMetrics()
    assert metrics.value(name, **labels_of(name)) == 0.0
    tell(metrics, name, **labels_of(name))
    assert metrics.value(name, **labels_of(name)) == 1.0
    if name.endswith("_total"):
        assert metrics.total(name) == 1.0
    assert f"# HELP baseline_{name}".encode() in metrics.render()


@pytest.mark.parametrize("name", NAMES)
def test_an_unknown_label_is_refused(name: MetricName) -> None:
    """It would make a series nobody asks for."""
    with pytest.raises(ValueError):
        tell(PrometheusMetrics(), name, **labels_of(name), pod="web-1")


@pytest.mark.parametrize("name", sorted(adapter._LABELS))
def test_a_missing_label_is_refused(name: MetricName) -> None:
    """Half a series is none."""
    with pytest.raises(ValueError):
        tell(PrometheusMetrics(), name)


def test_a_total_adds_up_all_series_and_registries_are_apart() -> None:
    """Two processes in one test do not see each other."""
    metrics, other = PrometheusMetrics(), PrometheusMetrics()
    metrics.count("dead_letters_total", 2, reason="not_json")
    metrics.count("dead_letters_total", 3, reason="bad_time")
    assert metrics.total("dead_letters_total") == 5
    assert other.total("dead_letters_total") == 0
