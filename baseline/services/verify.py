"""What follows a restriction: does the attack go on against it while it is about to end?

A first part only. It reads alerts, which are merged windows, and so says *attempts go on* no finer than a window; it
does not see the counts of denied connections, does not renew, and says nothing about enforcement in the network.
"""

from __future__ import annotations

from collections.abc import Sequence

from baseline.domain.alert import Alert
from baseline.domain.errors import NotFound
from baseline.domain.restriction import LIVE, Restriction
from baseline.policy.evaluate import rule_denies
from baseline.policy.plan import initiated
from baseline.ports import EventKind, Library
from baseline.services.events import restriction_changed
from baseline.services.situations import restrictions

EXPIRING_WITHIN_S = 120.0  # long enough for a person to hold it, short enough to be news; chosen


def attempts_go_on(restriction: Restriction, alert: Alert) -> bool:
    """Whether a whole deviating window lies after the restriction was applied, with failures on a denied edge."""
    window_s = alert.window_end - alert.window_start
    if not restriction.applied_at or alert.updated_at - window_s < restriction.applied_at:
        return False
    for item in alert.edges:
        subject, key = initiated(item.edge)
        if (
            item.failed
            and subject == restriction.workload
            and any(rule_denies(rule, key) for rule in restriction.rules)
        ):
            return True
    return False


def warn_of_expiry(
    library: Library, *, now: float, channels: Sequence[str], within_s: float = EXPIRING_WITHIN_S
) -> list[str]:
    """Tell, once each, of restrictions that are about to expire while attempts go on; their ids."""
    with library.transaction() as books:
        ending = [one for one in restrictions(books, states=LIVE) if 0 < one.expires_at - now <= within_s]
        warned = []
        for restriction in ending:
            try:
                alert = books.alerts.get(restriction.alert_id)
            except NotFound:  # adopted from the cluster after the books were lost
                continue
            if attempts_go_on(restriction, alert):
                event = restriction_changed(EventKind.RESTRICTION_EXPIRING, restriction, now=now)
                books.outbox.add(event, channels=channels)
                warned.append(restriction.id)
    return warned
