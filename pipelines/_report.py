"""What an evaluation found, as JSON, as alert lines and as a table for people."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from baseline.detectors import floor
from baseline.domain.deviation import Deviation
from baseline.domain.units import WEEK_S, rfc3339
from baseline.services import outcome
from baseline.services.evaluate import Course, Plan
from baseline.services.outcome import Label, Outcome

RENEWED_AFTER_S = 120.0  # an alert that deviates again after a pause at least this long is told again


def report(
    course: Course, labels: Sequence[Label], plan: Plan, *, rejected: Mapping[str, int], with_floor: bool
) -> dict[str, Any]:
    """Everything measured, as plain data."""
    since, until = plan.test_from, course.tested_until + 1
    compared = outcome.compare(course.deviations, labels, since=since, until=until)
    frame = windows_frame(course, labels)
    found: dict[str, Any] = {
        "records": course.records,
        "rejected": dict(rejected),
        "fit_until": rfc3339(plan.fit_until),
        "test_from": rfc3339(plan.test_from),
        "hours_tested": round(course.hours_tested, 3),
        "windows_learned": course.learned_windows,
        "model_set": course.model.id if course.model else None,
        "metrics": dict(course.model.manifest.metrics) if course.model else {},
        "alpha": {str(horizon): plan.judging.alpha(horizon) for horizon in plan.judging.horizons_s},
        "total": _total(course, compared, frame, plan, is_labelled=bool(labels)),
        "by_label": _by_label(compared),
        "by_workload": _by_workload(course, compared, frame),
        "events": [_event(finding) for finding in compared.findings],
        "false_alerts": [_brief(deviation) for deviation in compared.false_alerts],
    }
    if with_floor and labels:
        found["floor"] = _floor(course, labels, plan, until)
    return found


def windows_frame(course: Course, labels: Sequence[Label]) -> pd.DataFrame:
    """One row a judged window: workload, horizon, start, p, in_event."""
    return pd.DataFrame(
        {
            "workload": [str(window.workload) for window, _, _ in course.scored],
            "horizon_s": [window.horizon_s for window, _, _ in course.scored],
            "start": [window.start for window, _, _ in course.scored],
            "p": [p for _, p, _ in course.scored],
            "in_event": [
                outcome.windows_in_events(window.workload, window.start, window.end, labels)
                for window, _, _ in course.scored
            ],
        }
    )


def _total(course: Course, compared: Outcome, frame: pd.DataFrame, plan: Plan, *, is_labelled: bool) -> dict[str, Any]:
    workloads = frame["workload"].nunique()
    weeks = course.hours_tested * 3600 / WEEK_S
    delays = compared.delays()
    budget = workloads * weeks * plan.judging.alerts_per_week
    return {
        "workloads": int(workloads),
        "windows": len(frame),
        "windows_judged": int(frame["p"].notna().sum()),
        "deviations": len(course.deviations),
        "alerts": len(course.alerts),
        "alerts_per_workload_week": _ratio(len(course.alerts), workloads * weeks),
        "events": len(compared.findings),
        "events_found": compared.found,
        "recall": compared.recall,
        "recall_interval_95": compared.interval(),
        "time_to_detect_median_s": float(np.median(delays)) if delays else None,
        "time_to_detect_p90_s": float(np.quantile(delays, 0.9)) if delays else None,
        "false_alerts": len(compared.false_alerts) if is_labelled else None,  # without labels nobody knows
        "false_alerts_per_hour": _ratio(len(compared.false_alerts), course.hours_tested) if is_labelled else None,
        "false_alerts_per_workload_week": (
            _ratio(len(compared.false_alerts), workloads * weeks) if is_labelled else None
        ),
        "realised_over_nominal": _ratio(len(compared.false_alerts) if is_labelled else len(course.alerts), budget),
        "windows_past_alpha_outside_events": _calibration(frame, plan),
        "base_rate": _ratio(int(frame["in_event"].sum()), len(frame)),
    }


def _calibration(frame: pd.DataFrame, plan: Plan) -> dict[str, Any]:
    """Share of unlabelled windows below some p, by horizon: a calibrated p has about p of them."""
    found: dict[str, Any] = {}
    for horizon in plan.judging.horizons_s:
        quiet = frame[(frame["horizon_s"] == horizon) & ~frame["in_event"] & frame["p"].notna()]
        if len(quiet):
            shares = {str(p): float((quiet["p"] <= p).mean()) for p in (0.1, 0.01, 0.001)}
            found[str(horizon)] = {"windows": len(quiet), "share_below": shares}
    return found


def _by_label(compared: Outcome) -> dict[str, Any]:
    events = Counter(finding.label.label for finding in compared.findings)
    found = Counter(finding.label.label for finding in compared.findings if finding.found_at is not None)
    return {label: {"events": count, "found": found[label]} for label, count in sorted(events.items())}


def _by_workload(course: Course, compared: Outcome, frame: pd.DataFrame) -> dict[str, Any]:
    alerts = Counter(str(alert.workload) for alert in course.alerts.values())
    false = Counter(str(deviation.workload) for deviation in compared.false_alerts)
    events = Counter(finding.label.workload for finding in compared.findings)
    found = Counter(finding.label.workload for finding in compared.findings if finding.found_at is not None)
    maturity = {str(workload): known.value for workload, known in course.maturity.items()}
    weeks = course.hours_tested * 3600 / WEEK_S
    return {
        str(name): {
            "windows": int(count),
            "maturity": maturity.get(str(name)),
            "alerts": alerts[str(name)],
            "alerts_per_week": _ratio(alerts[str(name)], weeks),
            "false_alerts": false[str(name)],
            "events": events[str(name)],
            "events_found": found[str(name)],
        }
        for name, count in frame.groupby("workload").size().items()
    }


def _floor(course: Course, labels: Sequence[Label], plan: Plan, until: float) -> dict[str, Any]:
    """The same comparison for detectors that know nothing: what is left is luck."""
    windows = [window for window, _, _ in course.scored]
    found = {}
    for detector in (floor.Null(), floor.Random()):
        deviations = floor.deviations(detector, windows, alpha=plan.judging.alpha, seed=plan.seed)
        compared = outcome.compare(deviations, labels, since=plan.test_from, until=until)
        found[detector.name] = {
            "deviations": len(deviations),
            "events_found": compared.found,
            "recall": compared.recall,
            "false_alerts": len(compared.false_alerts),
        }
    return found


def alert_lines(course: Course) -> Iterator[dict[str, Any]]:
    """Alerts as they were told: when one opens, and again when it deviates after a pause or with other main edges.

    ``window_start`` and ``window_end`` are those of the window that told.
    """
    told: dict[str, tuple[float, frozenset[str]]] = {}
    for deviation in sorted(course.deviations, key=lambda one: (one.window_end, one.window_end - one.window_start)):
        name = str(deviation.workload)
        edges = frozenset(str(evidence.edge) for evidence in deviation.edges if evidence.share >= 0.1)
        last, known = told.get(name, (float("-inf"), frozenset[str]()))
        is_news = deviation.window_start - last >= RENEWED_AFTER_S or not edges <= known
        is_rest = deviation.window_start - last >= RENEWED_AFTER_S
        told[name] = (max(last, float(deviation.window_end)), edges if is_rest else known | edges)
        if is_news:
            yield alert_line(deviation)


def alert_line(deviation: Deviation) -> dict[str, Any]:
    """One line of the alerts file."""
    told = deviation.explanation
    shares = dict(told.voice_shares)
    return {
        "workload": str(deviation.workload),
        "opened_at": rfc3339(deviation.window_end),
        "window_start": rfc3339(deviation.window_start),
        "window_end": rfc3339(deviation.window_end),
        "p": deviation.p,
        "threshold": deviation.threshold,
        "reasons": [reason.sentence for reason in deviation.reasons],
        "family": deviation.family.value,
        "families": [family.value for family in deviation.families],
        "maturity": deviation.maturity.value,
        "voices": {name: {"p": p, "share": round(shares.get(name, 0.0), 4)} for name, p in deviation.voices},
        "counterfactuals": [one.sentence for one in told.counterfactuals],
        "looks_like": [f"{one.id} {one.name} ({one.confidence}): {one.sentence}" for one in told.techniques],
        "rise": {"spread": told.rise.spread.value, "sentence": told.rise.sentence} if told.rise else None,
        "edges": [
            {
                "edge": str(evidence.edge),
                "direction": evidence.edge.direction.value,
                "peer": str(evidence.edge.peer),
                "port": evidence.edge.port,
                "protocol": evidence.edge.protocol,
                "is_new": evidence.is_new,
                "connections": evidence.connections,
                "normal_rate": round(evidence.normal_rate, 3),
                "share": round(evidence.share, 4),
            }
            for evidence in deviation.edges
        ],
    }


def _event(finding: outcome.Finding) -> dict[str, Any]:
    return {
        "workload": finding.label.workload,
        "label": finding.label.label,
        "start": rfc3339(finding.label.start),
        "end": rfc3339(finding.label.end),
        "found_at": None if finding.found_at is None else rfc3339(finding.found_at),
        "time_to_detect_s": finding.delay_s,
    }


def _brief(deviation: Deviation) -> dict[str, Any]:
    line = alert_line(deviation)
    return {
        key: line[key] for key in ("workload", "opened_at", "window_start", "window_end", "p", "reasons", "families")
    }


def write_json(path: Path, found: Mapping[str, Any]) -> None:
    """Plain JSON, without NaN."""
    path.write_text(json.dumps(found, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def table(found: Mapping[str, Any]) -> str:
    """The report for people."""
    total = found["total"]
    rows = pd.DataFrame.from_dict(found["by_workload"], orient="index").drop(columns=["alerts_per_week"])
    interval = total["recall_interval_95"]
    recall = "" if interval is None else (
        f"events found {total['events_found']} of {total['events']} "
        f"(recall {total['recall']:.2f}, 95 % {interval[0]:.2f} to {interval[1]:.2f})"
    )  # fmt: skip
    detect, false = total["time_to_detect_median_s"], total["false_alerts"]
    lines = [
        rows.to_string(),
        recall or "no labelled events in the tested part",
        "" if detect is None else f"time to detect: median {detect:.0f} s, p90 {total['time_to_detect_p90_s']:.0f} s",
        (
            f"alerts {total['alerts']}, false {'-' if false is None else false} in {found['hours_tested']:.1f} h "
            f"of {total['workloads']} workloads (realised / nominal {total['realised_over_nominal']})"
        ),
    ]
    return "\n".join(line for line in lines if line)


def _ratio(part: float, whole: float) -> float | None:
    return round(part / whole, 4) if whole else None
