"""What a deviation looks like, by the numbering of MITRE ATT&CK: a small table of predicates, each with its reason.

A hint and never a claim: flows show no payload, and every one of these patterns has an innocent twin. None is a fine
answer.
"""

from __future__ import annotations

from collections.abc import Callable

from baseline.detectors import discovery, intrusion
from baseline.detectors.picture import Found, Picture
from baseline.domain.explanation import TECHNIQUES_KEPT, Technique, rank

__all__ = ["RULES", "Picture", "hints"]

Rule = Callable[[Picture], Found | None]
RULES: tuple[Rule, ...] = (
    discovery.port_scan,
    discovery.sweep,
    discovery.without_ports,
    discovery.metadata,
    discovery.kubelet,
    intrusion.brute_force,
    intrusion.remote_services,
    intrusion.exfiltration,
    intrusion.dns_tunnel,
    intrusion.beacon,
    intrusion.flood,
)


def hints(picture: Picture) -> tuple[Technique, ...]:
    """Techniques it looks like, the most confident first; often none."""
    found: dict[str, Technique] = {}
    for rule in RULES:
        answer = rule(picture)
        if answer is not None:
            code, name, confidence, why, what = answer
            hint = Technique(id=code, name=name, confidence=confidence, rule=why, sentence=f"looks like {what}")
            known = found.get(code)
            if known is None or rank(hint) > rank(known):
                found[code] = hint
    return tuple(sorted(found.values(), key=lambda hint: -rank(hint))[:TECHNIQUES_KEPT])
