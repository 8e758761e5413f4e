"""Judges the report of `baseline demo --headless --report FILE`: exit 0 when the demo did what it promises.

Usage: python .ci/check_demo.py REPORT.json [--clean]

Prints every broken promise, or one line of figures. ``--clean`` is the run without the labelled attacks.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

Report = Mapping[str, Any]

SLOWEST_S = 120.0  # twice what is promised on an idle machine; the figure is printed
UNCONFIRMED_S = 900.0  # what an unconfirmed restriction lives at first, recording's time
ENDED = {"released", "expired"}
RESTING = ENDED | {"failed", "refused", "proposed"}


def broken(report: Report, *, is_clean: bool) -> list[str]:
    """The promises this report does not keep, as sentences."""
    found = list(_everywhere(report))
    found += _without_attacks(report) if is_clean else _with_attacks(report)
    return found


def _everywhere(report: Report) -> Iterator[str]:
    records = report["records"]
    if not records["consumed"] > 0 or records["consumed"] < records["fed"]:
        yield f"records were lost: {records}"
    if records["dead_letters"] != 0:
        yield f"{records['dead_letters']} records of a clean file are dead letters"
    if not report["windows"] > 0:
        yield "no window closed"
    if report["left_over"]:
        yield f"something of ours is left in the cluster: {report['left_over']}"
    if report["seconds"] > SLOWEST_S:
        yield f"it took {report['seconds']} s"
    if not report["guards_relaxed"] or not any("recommend" in note for note in report["notes"]):
        yield "it does not say which guards it relaxes, and that the default never acts alone"
    for alert in report["alerts"]:
        if not alert["sentence"] or not alert["reasons"]:
            yield f"alert {alert['id']} has no plain reason"
    for restriction in report["restrictions"]:
        if restriction["state"] not in RESTING:
            yield f"restriction {restriction['id']} is still {restriction['state']}"
        if restriction["applied_at"]:
            yield from _applied(restriction)


def _applied(restriction: Report) -> Iterator[str]:
    name = restriction["id"]
    if restriction["state"] not in ENDED or not restriction["ended_at"] or not restriction["ended_by"]:
        yield f"restriction {name} was applied and nobody ended it"
    manifest = restriction["manifest"]
    if not manifest:
        yield f"restriction {name} was applied without a manifest"
        return
    spec = manifest["spec"]
    if spec["tier"] != "behaviour":
        yield f"restriction {name} lies in tier {spec['tier']}"
    if not spec.get("selector", "").strip() or "all()" in spec["selector"]:
        yield f"restriction {name} selects too much: {spec.get('selector')!r}"
    actions = {rule["action"] for way in ("ingress", "egress") for rule in spec.get(way, [])}
    if not actions or actions - {"Deny", "Pass"}:
        yield f"restriction {name} holds other actions than Deny and Pass: {sorted(actions)}"
    if "calico-baseline/expires-at" not in manifest["metadata"].get("annotations", {}):
        yield f"restriction {name} does not say when it ends"


def _with_attacks(report: Report) -> Iterator[str]:
    decided = {one["person"]: one for one in reversed(report["restrictions"]) if one["person"]}
    if set(decided) != {"dismiss", "confirm", "none"}:
        yield f"not one dismissed, one confirmed and one left to itself, but {sorted(decided)}"
        return
    dismissed, confirmed, left = (decided[word] for word in ("dismiss", "confirm", "none"))
    if not dismissed["ended_by"].startswith("dismissal") or not (dismissed["lived_s"] or 0.0) < UNCONFIRMED_S / 2:
        yield f"the dismissed restriction did not end at once: {_life(dismissed)}"
    if not (confirmed["lived_s"] or 0.0) > UNCONFIRMED_S:
        yield f"the confirmed restriction was not held: {_life(confirmed)}"
    if left["state"] != "expired":
        yield f"the third restriction did not expire by itself: {_life(left)}"
    labels = report.get("labels")
    if not labels or not labels["attack_events"] > 0:
        yield "there is no comparison with the recording's labels"
    elif not labels["attack_events_found"] > 0:
        yield "no labelled attack was found"


def _life(restriction: Report) -> str:
    return f"{restriction['state']} by {restriction['ended_by']!r} after {restriction['lived_s']} s"


def _without_attacks(report: Report) -> Iterator[str]:
    applied = [one["id"] for one in report["restrictions"] if one["applied_at"]]
    if applied:
        yield f"restrictions without an attack: {applied}"


def figures(report: Report) -> str:
    """One line of what happened."""
    labels = report.get("labels") or {}
    found = f"{labels.get('attack_events_found')} of {labels.get('attack_events')} attack events found, "
    false = f"{labels.get('false_alerts_per_hour')} false alerts an hour, "
    return (
        f"demo: {report['records']['consumed']} records, {report['windows']} windows, {len(report['alerts'])} alerts, "
        f"{report['applied']} restrictions applied, {found}{false}{report['seconds']} s"
    )


def main(arguments: list[str]) -> int:
    """Command line; 0 when every promise is kept, else 1."""
    report = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
    sentences = broken(report, is_clean="--clean" in arguments[1:])
    for sentence in sentences:
        print(f"broken promise: {sentence}", file=sys.stderr)
    print(figures(report))
    return 1 if sentences else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
