"""What the loop does with suppressions: nothing is shown that is covered, nothing is lost, a replay does the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from baseline.domain import suppression as suppressions
from baseline.domain.alert import Alert, Decision, Disposition
from baseline.domain.deviation import Deviation, EdgeEvidence, Family, Maturity, Reason
from baseline.domain.edge import Edge
from baseline.domain.errors import Unavailable
from baseline.domain.suppression import Scope, Suppression
from baseline.domain.window import Window
from baseline.features import extract
from baseline.ports import Silence
from baseline.services.score import Judged
from baseline.stream import steps
from baseline.stream.status import StreamOptions
from baseline.stream.suppressionwatch import SuppressionWatch
from tests.unit.stream.stage import T0, TOPIC, CountedMetrics, HandClock, Parts, line

OFTEN = StreamOptions(poll_s=0.0, checkpoint_interval_s=0.0, history_interval_s=0.0, channels=("hook",))
SUSPECT = 22  # connections to this port deviate


def deviating(windows: Sequence[Window], **_: Any) -> Judged:
    """Judges by port alone, so that what deviates is known beforehand."""
    found = [
        _deviation(window, [key for key in window.edges if key.port == SUSPECT], window.edges)
        for window in windows
        if window.horizon_s == 60 and any(key.port == SUSPECT for key in window.edges)
    ]
    workloads = {window.workload for window in windows}
    return Judged(
        deviations=found,
        vectors=[extract.vector(window) for window in windows],
        maturity=dict.fromkeys(workloads, Maturity.MATURE),
        chance_new=dict.fromkeys(workloads),
    )


def _deviation(window: Window, keys: Sequence[Any], counts: Mapping[Any, Any]) -> Deviation:
    edges = tuple(
        EdgeEvidence(
            edge=Edge(workload=window.workload, direction=key.direction, peer=key.peer, port=key.port, protocol="tcp"),
            is_new=True, connections=counts[key].started, bytes_out=counts[key].bytes_out,
            bytes_in=counts[key].bytes_in, failed=0, share=1.0 / len(keys),
        )
        for key in keys
    )  # fmt: skip
    many = float(sum(one.connections for one in edges))
    reason = Reason(
        family=Family.FAN_OUT, feature="connections_out", sentence="many", actual=many, expected_low=0, expected_high=1,
        z=9, share=1,
    )  # fmt: skip
    return Deviation(
        workload=window.workload, window_start=window.start, window_end=window.end, p=1e-6, threshold=1e-4,
        family=Family.FAN_OUT, families=(Family.FAN_OUT,), reasons=(reason,), edges=edges, maturity=Maturity.MATURE,
        model_set="m",
    )  # fmt: skip


@pytest.fixture(name="parts")
def _parts(monkeypatch: pytest.MonkeyPatch) -> Parts:
    """A stream whose clock stands with the log, and whose windows deviate on port 22."""
    monkeypatch.setattr(steps, "judge", deviating)
    return Parts(clock=HandClock(now=float(T0)))


def ssh(first: int, last: int, **changed: Any) -> list[bytes]:
    """SSH in every quarter of the minutes from ``first`` to ``last``."""
    return [line(T0 + at, port=SUSPECT, **changed) for at in range(first * 60 + 15, last * 60 + 1, 15)]


def played(parts: Parts, loop: Any, lines: list[bytes], *, until: int) -> None:
    """The loop reads the lines, and its clock comes to that minute."""
    parts.send(lines)
    parts.clock.time = T0 + 60.0 * until + 25
    for _ in range(3):
        loop.run_once()


def alerts(parts: Parts) -> list[Alert]:
    """In the books, oldest first."""
    with parts.library.transaction() as books:
        return list(books.alerts.find().items)[::-1]


def dismissed(parts: Parts, *, at: float, scope: Scope = Scope.EDGE) -> Suppression:
    """A person dismisses the only alert."""
    (alert,) = alerts(parts)
    with parts.library.transaction() as books:
        books.alerts.decide(alert.id, Decision(disposition=Disposition.DISMISSED, by="ada", at=at), revision=None)
        return books.suppressions.add(
            suppressions.made(alert, scope=scope, slots=frozenset(), zone="UTC", reason="backup", by="ada", now=at)
        )


def silenced(parts: Parts) -> list[int]:
    """Minutes after T0 in which silenced windows began."""
    with parts.library.transaction() as books:
        (one,) = books.suppressions.find().items
    assert one.silenced.count == len(one.silenced.windows)
    return [(start - T0) // 60 for start, _, _ in one.silenced.windows]


def test_what_is_dismissed_is_silenced_and_counted(parts: Parts) -> None:
    """Two minutes are an alert; it is dismissed; the next three grow nothing and are on record."""
    loop = parts.loop(options=OFTEN)
    played(parts, loop, ssh(0, 3), until=2)
    assert [alert.windows for alert in alerts(parts)] == [2]
    dismissed(parts, at=T0 + 145.0)
    played(parts, loop, ssh(3, 6), until=5)
    assert [alert.windows for alert in alerts(parts)] == [2]
    assert silenced(parts) == [2, 3, 4]
    assert parts.metrics.total("deviations_silenced_total", scope="edge") == 3
    assert parts.metrics.total("deviations_total", family="fan-out") == 5
    assert parts.metrics.gauges["suppressions_active"] == 1


def test_another_victim_is_an_alert(parts: Parts) -> None:
    """The same port of another workload was never dismissed."""
    loop = parts.loop(options=OFTEN)
    played(parts, loop, ssh(0, 3), until=2)
    dismissed(parts, at=T0 + 145.0)
    played(parts, loop, ssh(3, 6, dest="ledger"), until=5)
    assert len(alerts(parts)) == 2


def test_revoked_it_is_shown_again(parts: Parts) -> None:
    """From the window on that ends after it; as an alert of its own, because the old one is decided."""
    loop = parts.loop(options=OFTEN)
    played(parts, loop, ssh(0, 3), until=2)
    made = dismissed(parts, at=T0 + 145.0)
    played(parts, loop, ssh(3, 5), until=4)
    with parts.library.transaction() as books:
        books.suppressions.update(suppressions.revoked(made, by="ben", now=T0 + 265.0))
    parts.clock.time += 10
    played(parts, loop, ssh(5, 8), until=7)
    assert silenced(parts) == [2, 3]
    first, second = alerts(parts)
    assert (first.disposition, first.windows) == (Disposition.DISMISSED, 2)
    assert (second.disposition, second.window_start, second.windows) == (Disposition.NONE, T0 + 240, 3)


def test_a_replay_does_and_counts_the_same(parts: Parts) -> None:
    """The whole log again from its beginning, with all that was decided since: no alert and no count more."""
    loop = parts.loop(options=OFTEN)
    played(parts, loop, ssh(0, 3), until=2)
    made = dismissed(parts, at=T0 + 145.0)
    played(parts, loop, ssh(3, 5), until=4)
    with parts.library.transaction() as books:
        books.suppressions.update(suppressions.revoked(made, by="ben", now=T0 + 265.0))
    parts.clock.time += 10
    played(parts, loop, ssh(5, 8), until=7)
    before, hidden = alerts(parts), silenced(parts)
    loop.close()
    parts.log.groups[TOPIC, "g"].members.clear()
    parts.checkpoints = type(parts.checkpoints)()
    again = parts.loop(options=OFTEN)
    for _ in range(4):
        again.run_once()
    assert again.status().lag_records == 0
    assert alerts(parts) == before
    assert silenced(parts) == hidden


class TestWatch:
    def test_books_that_are_down_take_nothing_away(self, parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
        """What stood still stands: nobody can revoke it meanwhile."""
        loop = parts.loop(options=OFTEN)
        played(parts, loop, ssh(0, 3), until=2)
        dismissed(parts, at=T0 + 145.0)
        metrics = CountedMetrics()
        watch = SuppressionWatch(parts.library, metrics=metrics)
        first = watch.refresh(now=T0 + 150.0)

        def down() -> Any:
            raise Unavailable("down")

        monkeypatch.setattr(parts.library, "transaction", down)
        assert watch.refresh(now=T0 + 160.0) is first
        assert metrics.total("loop_errors_total", error="Unavailable") == 1

    def test_before_the_first_look_nothing_is_judged(self, parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
        """Showing what was silenced, because the books could not be asked, would be wrong."""

        def down() -> Any:
            raise Unavailable("down")

        monkeypatch.setattr(parts.library, "transaction", down)
        with pytest.raises(Unavailable):
            SuppressionWatch(parts.library, metrics=CountedMetrics()).refresh(now=T0)

    def test_the_books_are_not_asked_every_round(self, parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
        """Once in five seconds, and when the clock goes back."""
        asked: list[float] = []
        real = parts.library.transaction

        def counted() -> Any:
            asked.append(1.0)
            return real()

        monkeypatch.setattr(parts.library, "transaction", counted)
        watch = SuppressionWatch(parts.library, metrics=CountedMetrics())
        for now in (0.0, 1.0, 4.9, 5.0, 2.0, 3.0):
            watch.refresh(now=now)
        assert len(asked) == 3

    def test_they_are_read_anew_only_when_one_was_made_or_changed(self, parts: Parts) -> None:
        """What the stream itself notes is no change."""
        loop = parts.loop(options=OFTEN)
        played(parts, loop, ssh(0, 3), until=2)
        watch = SuppressionWatch(parts.library, metrics=CountedMetrics())
        before = watch.refresh(now=0.0)
        made = dismissed(parts, at=T0 + 145.0)
        first = watch.refresh(now=10.0)
        assert first is not before
        with parts.library.transaction() as books:
            books.suppressions.note([Silence(made.id, (T0, T0 + 60, 1e-6))])
        assert watch.refresh(now=20.0) is first
        with parts.library.transaction() as books:
            books.suppressions.update(suppressions.revoked(made, by="ben", now=T0 + 265.0))
        assert watch.refresh(now=30.0) is not first
