"""docs/restrictions.md against the guards, their numbers and what is rendered."""

from __future__ import annotations

import re

import pytest
import yaml

from baseline.domain import edge, restriction, workload
from baseline.domain.units import parse_rfc3339
from baseline.policy import guard, render
from baseline.policy.situation import GuardOptions
from tests.docs.markdown import rows, section
from tests.ground.require import CHECKOUT

PAGE = (CHECKOUT / "docs" / "restrictions.md").read_text(encoding="utf-8")


def test_the_guards_on_the_page_are_those_of_the_code() -> None:
    """Names in order; what is never relaxed; and the example is what `render` writes."""
    assert [row[0].strip("`") for row in rows(section(PAGE, "Guards"))[1:]] == list(guard.GUARDS)
    never = re.search(r"^(`.+) can never be relaxed", section(PAGE, "Guards"), re.MULTILINE)
    assert never
    assert set(re.findall(r"`([\w-]+)`", never[1])) == guard.NEVER_RELAXED


@pytest.mark.parametrize(
    ("name", "numbers"),
    {
        "evidence": ["evidence_factor"],
        "freshness": ["evidence_windows"],
        "lag": ["lag_max_s"],
        "ttl": ["ttl_max_s"],
        "concurrent": ["concurrent_max"],
        "namespace-concurrent": ["namespace_max"],
        "workload-concurrent": ["workload_max"],
        "rate": ["hourly_max", "burst_max"],
        "share": ["workloads_share"],
        "namespace-share": ["namespace_share"],
        "cool-down": ["cool_down_s"],
        "platform-event": ["platform_share", "platform_min", "platform_within_s", "platform_pause_s"],
    }.items(),
)
def test_the_numbers_of_a_guard_are_its_defaults(name: str, numbers: list[str]) -> None:
    """As plain number, per cent, minutes or hours, in the guard's row."""
    told = next(row[1] for row in rows(section(PAGE, "Guards")) if row[0] == f"`{name}`")
    for number in numbers:
        value = getattr(GuardOptions(), number)
        spelled = {f"{value:g}", f"{value * 100:g} %", f"{value / 60:g} min", f"{value / 3600:g} h", f"{value:g} s"}
        assert any(re.search(rf"(?<![\d.]){re.escape(text)}(?![\d.]*\d)", told) for text in spelled), (number, told)


def test_the_example_of_a_restriction_is_what_we_render() -> None:
    """The YAML of the page, rendered from the restriction it shows."""
    (example,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    shown = yaml.safe_load(example)
    notes = shown["metadata"]["annotations"]
    peer = edge.Peer(edge.PeerKind.ADDRESS, "", "203.0.113.7")
    shop = workload.WorkloadId("cluster", "shop", "frontend")
    rendered = render.manifest(
        restriction.Restriction(
            id=shown["metadata"]["labels"]["calico-baseline/restriction"],
            alert_id=notes["calico-baseline/alert"],
            workload=shop,
            selector=(("app", "frontend"),),
            level=restriction.Level.R1,
            rules=(
                restriction.Rule(
                    direction=edge.Direction.EGRESS, peer=peer, nets=("203.0.113.7/32",), protocol="tcp", ports=(4444,)
                ),
            ),
            allow_dns=True,
            state=restriction.State.APPLIED,
            mode=restriction.Mode.RECOMMEND,
            created_at=0.0,
            ttl_s=900.0,
            expires_at=parse_rfc3339(notes["calico-baseline/expires-at"]),
            max_expires_at=parse_rfc3339(notes["calico-baseline/max-expires-at"]),
            approved_by="me",
        ),
        instance="default",
    )
    rendered["metadata"]["annotations"]["calico-baseline/spec-hash"] = notes["calico-baseline/spec-hash"]
    rendered["spec"]["egress"] = [
        one for one in rendered["spec"]["egress"] if one["protocol"] != "TCP" or one["action"] != "Pass"
    ]
    assert shown == rendered
