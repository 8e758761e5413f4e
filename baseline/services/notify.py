"""The outbox pump: tells others, again and again until they have heard, and never holds anybody up.

Nothing that restricts or releases waits for it: events are written with what they tell of, and told later, here.
What is told carries the event's id, which depends on nothing but what happened; a receiver that keeps ids hears
everything exactly once, although a crash between telling and noting it tells twice.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from baseline.domain.errors import BaselineError, Invalid, Unavailable
from baseline.ports import Delivery, Library, Metrics, Notifier

LOCK = "notify"  # one pump at a time, so that two processes do not tell the same thing at once


@dataclass(frozen=True, slots=True, kw_only=True)
class PumpOptions:
    """How patiently we tell. With the defaults the last try comes about 20 hours after the first."""

    first_wait_s: float = 2.0  # after the first failure; doubles with each
    longest_wait_s: float = 3600.0
    jitter: float = 0.2  # share of the wait, either way: a receiver that comes back is not stormed
    tries: int = 30  # then it is given up: kept in the outbox with its error, and counted
    batch: int = 100  # deliveries a channel in one pass
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pumped:
    """What one pass did."""

    delivered: int = 0
    postponed: int = 0
    given_up: int = 0


def pump(
    library: Library, notifiers: Sequence[Notifier], *, now: float, options: PumpOptions, metrics: Metrics
) -> Pumped:
    """One pass over what is due, channel by channel; nothing when another pump is at work.

    A channel that fails once is left alone for the rest of the pass: what else waits for it keeps its tries. The
    database is never locked while somebody is being told.
    """
    with library.advisory_lock(LOCK) as is_ours:
        if not is_ours:
            return Pumped()
        passes = [_channel(library, notifier, now=now, options=options, metrics=metrics) for notifier in notifiers]
    return Pumped(
        delivered=sum(one.delivered for one in passes),
        postponed=sum(one.postponed for one in passes),
        given_up=sum(one.given_up for one in passes),
    )


def wait_s(delivery: Delivery, options: PumpOptions, *, asked_s: float | None = None) -> float:
    """Seconds until the next try: exponential with jitter, at least what the receiver asked for, bounded."""
    exponential = min(options.first_wait_s * 2.0 ** min(delivery.tries, 40), options.longest_wait_s)
    chance = random.Random(f"{options.seed}|{delivery.event.id}|{delivery.channel}|{delivery.tries}")  # noqa: S311 - spread, not secrecy
    jittered = exponential * (1.0 + options.jitter * chance.uniform(-1.0, 1.0))
    return min(max(jittered, asked_s or 0.0), options.longest_wait_s * (1.0 + options.jitter))


def _channel(library: Library, notifier: Notifier, *, now: float, options: PumpOptions, metrics: Metrics) -> Pumped:
    with library.transaction() as books:
        waiting = books.outbox.due(now=now, limit=options.batch, channel=notifier.channel)
    delivered = postponed = given_up = 0
    for delivery in waiting:
        error = _told(notifier, delivery)
        if error is None:
            with library.transaction() as books:
                books.outbox.delivered(delivery.event.id, notifier.channel, at=now)
            delivered += 1
            metrics.count("notifications_total", channel=notifier.channel, result="delivered")
            continue
        retry_at = _retry_at(error, delivery, now=now, options=options)
        with library.transaction() as books:
            books.outbox.failed(delivery.event.id, notifier.channel, error=str(error), retry_at=retry_at)
        if retry_at is None:
            given_up += 1
            metrics.count("notifications_total", channel=notifier.channel, result="given_up")
            continue
        postponed += 1
        metrics.count("notifications_total", channel=notifier.channel, result="postponed")
        break
    return Pumped(delivered=delivered, postponed=postponed, given_up=given_up)


def _told(notifier: Notifier, delivery: Delivery) -> BaselineError | None:
    try:
        notifier.send(delivery.event)
    except BaselineError as error:
        return error
    return None


def _retry_at(error: BaselineError, delivery: Delivery, *, now: float, options: PumpOptions) -> float | None:
    """None when trying again is useless (refused as malformed) or was tried often enough."""
    if isinstance(error, Invalid) or delivery.tries + 1 >= options.tries:
        return None
    asked_s = error.retry_after_s if isinstance(error, Unavailable) else None
    return now + wait_s(delivery, options, asked_s=asked_s)
