"""Which edges of one workload are watched for beacons, and what is kept of each.

Only egress edges that are young (below seven days) or lead outside. Health checks, scrapes and leader election live on
established edges and never score; an established external edge scores only against its own past: after a week of being
watched, when it becomes a beacon and was none in that week. Bounded: an edge that is used least gives way.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from baseline.detectors.sequential import beacon
from baseline.detectors.sequential.trw import key_of, plain
from baseline.domain.edge import EdgeKey
from baseline.domain.units import DAY_S, HOUR_S, WEEK_S

YOUNG_S = WEEK_S
EDGES_KEPT = 64  # of one workload
WINDOWS_KEPT = 64  # with connections, of one edge, the newest
CLEARLY_LESS = 0.1  # an established edge was no beacon when its best score lay this much below the threshold


@dataclass(slots=True, kw_only=True)
class Track:
    """One edge."""

    key: EdgeKey
    first: int  # start of the first window it was watched in
    is_established: bool  # the baseline knew it then
    starts: list[int] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    by_hour: dict[int, int] = field(default_factory=dict)
    best: float = 0.0  # highest score while it was only watched
    is_told: bool = False
    uses: int = 0  # windows with connections, ever

    def see(self, start: int, *, connections: int, size: int) -> None:
        """One window with connections."""
        self.starts = [*self.starts, start][-WINDOWS_KEPT:]
        self.counts = [*self.counts, connections][-WINDOWS_KEPT:]
        self.sizes = [*self.sizes, size][-WINDOWS_KEPT:]
        hour = start // HOUR_S
        self.by_hour[hour] = self.by_hour.get(hour, 0) + connections
        self.uses += 1

    def is_young(self, now: int) -> bool:
        """Below seven days, and new when it was met."""
        return not self.is_established and now - self.first < YOUNG_S

    def judge(self, *, until: int, window_s: int) -> beacon.Score | None:
        """Its score when it is one to tell of: past the threshold, for the first time, and young or changed."""
        found = beacon.score(self.starts, self.counts, self.sizes, self.by_hour, until=until, window_s=window_s)
        if found is None:
            return None
        if not self.is_young(until) and until - self.first < YOUNG_S:
            self.best = max(self.best, found.total)  # an established one in its first week: only watched
            return None
        was_one = self.best > beacon.THRESHOLD - CLEARLY_LESS
        if self.is_told or was_one or found.total < beacon.THRESHOLD:
            return None
        return found

    def age(self, *, until: int) -> None:
        """Forget hours that no score looks at."""
        oldest = until // HOUR_S - beacon.SPAN_H
        self.by_hour = {hour: count for hour, count in self.by_hour.items() if hour >= oldest}


@dataclass(slots=True)
class Tracks:
    """The watched edges of one workload."""

    by_edge: dict[EdgeKey, Track] = field(default_factory=dict)

    def see(self, key: EdgeKey, start: int, *, is_known: bool, connections: int, size: int) -> None:
        """One window in which an egress edge started connections; ``is_known``: the baseline has the edge."""
        track = self.by_edge.get(key)
        if track is None:
            if is_known and not key.peer.is_external:
                return
            while len(self.by_edge) >= EDGES_KEPT:
                least = min(self.by_edge.values(), key=lambda one: (one.uses, one.starts[-1]))
                del self.by_edge[least.key]
            track = self.by_edge[key] = Track(key=key, first=start, is_established=is_known)
        track.see(start, connections=connections, size=size)

    def beacons(self, *, until: int, window_s: int) -> Iterator[tuple[Track, beacon.Score]]:
        """Edges to tell of, once a full hour ends at ``until``; edges idle for a day, or grown up, are dropped."""
        for track in list(self.by_edge.values()):
            track.age(until=until)
            is_grown = not track.key.peer.is_external and not track.is_young(until)
            if until - track.starts[-1] > DAY_S or is_grown:
                del self.by_edge[track.key]
                continue
            found = track.judge(until=until, window_s=window_s)
            if found is not None:
                yield track, found

    def to_plain(self) -> list[Any]:
        """For the checkpoint."""
        return [
            [plain(one.key), one.first, one.is_established, one.starts, one.counts, one.sizes,
             sorted(one.by_hour.items()), one.best, one.is_told, one.uses]
            for one in self.by_edge.values()
        ]  # fmt: skip

    @classmethod
    def from_plain(cls, rows: Sequence[Any]) -> Tracks:
        """The inverse; ValueError or TypeError for what is none."""
        tracks = cls()
        for key, first, is_established, starts, counts, sizes, by_hour, best, is_told, uses in rows:
            edge = key_of(*key)
            tracks.by_edge[edge] = Track(
                key=edge, first=int(first), is_established=bool(is_established), starts=[int(one) for one in starts],
                counts=[int(one) for one in counts],
                sizes=[int(one) for one in sizes], by_hour={int(hour): int(count) for hour, count in by_hour},
                best=float(best), is_told=bool(is_told), uses=int(uses),
            )  # fmt: skip
        return tracks
