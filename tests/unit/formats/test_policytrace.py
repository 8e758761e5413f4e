"""Both string forms of policy traces."""

from __future__ import annotations

import pytest

from baseline.domain.flow import PolicyHit, PolicyKind
from baseline.formats.policytrace import format_trace, parse_trace

K = PolicyKind

TRACES: list[tuple[str, PolicyHit]] = [
    ("0|security|security.t|pass|0", PolicyHit(K.GLOBAL_NETWORK_POLICY, "security", "", "security.t", "pass", 0)),
    ("1|app|shop/app.checkout|deny|-1", PolicyHit(K.NETWORK_POLICY, "app", "shop", "app.checkout", "deny", -1)),
    ("0|default|shop/knp.default.web|allow|2", PolicyHit(K.KUBERNETES, "default", "shop", "web", "allow", 2)),
    ("0|__PROFILE__|__PROFILE__.kns.shop|allow|0", PolicyHit(K.PROFILE, "", "", "kns.shop", "allow", 0)),
    ("0|app|shop/staged:app.q|deny|1", PolicyHit(K.NETWORK_POLICY, "app", "shop", "app.q", "deny", 1, staged=True)),
    ("0|app|shop/app.staged:q|deny|1", PolicyHit(K.NETWORK_POLICY, "app", "shop", "app.q", "deny", 1, staged=True)),
    ("0|app|staged:app.q|deny|-2", PolicyHit(K.GLOBAL_NETWORK_POLICY, "app", "", "app.q", "deny", -2, staged=True)),
    ("0|app|app.q|deny", PolicyHit(K.GLOBAL_NETWORK_POLICY, "app", "", "app.q", "deny", -2)),
    ("0|behaviour|np:s/behaviour.r|deny|0", PolicyHit(K.NETWORK_POLICY, "behaviour", "s", "behaviour.r", "deny", 0)),
    ("0|app|gnp:app.q|allow|3", PolicyHit(K.GLOBAL_NETWORK_POLICY, "app", "", "app.q", "allow", 3)),
    ("0|app|snp:shop/app.q|deny|0", PolicyHit(K.NETWORK_POLICY, "app", "shop", "app.q", "deny", 0, staged=True)),
    ("0|app|sgnp:app.q|deny|0", PolicyHit(K.GLOBAL_NETWORK_POLICY, "app", "", "app.q", "deny", 0, staged=True)),
    ("0|default|knp:shop/web|allow|0", PolicyHit(K.KUBERNETES, "default", "shop", "web", "allow", 0)),
    ("0|default|sknp:shop/web|allow|0", PolicyHit(K.KUBERNETES, "default", "shop", "web", "allow", 0, staged=True)),
    ("0|adminnetworkpolicy|kcnp:admin|deny|0", PolicyHit(K.CLUSTER, "adminnetworkpolicy", "", "admin", "deny", 0)),
    ("0||pro:kns.shop|allow|0", PolicyHit(K.PROFILE, "", "", "kns.shop", "allow", 0)),
    ("0|app|eot:|deny|-1", PolicyHit(K.END_OF_TIER, "app", "", "", "deny", -1)),
    ("what is this", PolicyHit(K.OTHER, "", "", "what is this", "", -2)),
    ("0|app|app.q|deny|0|new", PolicyHit(K.OTHER, "", "", "0|app|app.q|deny|0|new", "", -2)),
    ("x|app|app.q|Deny|y", PolicyHit(K.GLOBAL_NETWORK_POLICY, "app", "", "app.q", "deny", -2)),
]  # fmt: skip


@pytest.mark.parametrize(("text", "hit"), TRACES)
def test_trace_entry_is_read(text: str, hit: PolicyHit) -> None:
    """Every spelling that was seen or documented, and what to do with others."""
    assert parse_trace((text,)) == (hit,)


def test_entries_come_in_the_order_of_their_index() -> None:
    """Logs list them in any order."""
    hits = parse_trace(("10|c|c.c|allow|0", "2|b|b.b|pass|0", "0|a|a.a|pass|0"))
    assert [hit.tier for hit in hits] == ["a", "b", "c"]


def test_written_trace_is_read_back() -> None:
    """The new form keeps everything of every readable entry."""
    hits = tuple(hit for _, hit in TRACES if hit.kind is not K.OTHER)
    assert parse_trace(tuple(format_trace(hits))) == hits
