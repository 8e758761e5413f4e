"""The consumer's loop: read, count, judge, store, remember the position; again.

Order binds: alerts are in the books before windows are in history, those before the checkpoint, that before the
group's position. A crash anywhere repeats work under the same names and ids. The checkpoint decides where to begin;
the group's offsets are a hint for people's lag tools.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import structlog

from baseline.domain.errors import BaselineError, CheckpointRejected, Conflict, OutsideError
from baseline.ports import Clock, FlowSource, Metrics, Partition, Record, Sign
from baseline.services import signs
from baseline.stream import steps
from baseline.stream.modelwatch import ModelWatch
from baseline.stream.status import Stores, StreamOptions, StreamStatus, status_of
from baseline.stream.suppressionwatch import RELOAD_S, SuppressionWatch
from baseline.stream.trace import Stage, Trace
from baseline.stream.work import Work, fence_of, fresh, restored

log = structlog.get_logger()

Told = Callable[[Sequence[Partition]], None]
LAG_READ_S = 5.0  # between two looks at the ends of the partitions while records flow
Connect = Callable[[Told, Told], FlowSource]  # (on_assigned, on_revoked) -> source


class StreamLoop:
    """One member of the consumer group."""

    def __init__(
        self, *, connect: Connect, stores: Stores, models: ModelWatch, decode: steps.Decode, clock: Clock,
        metrics: Metrics, trace: Trace, options: StreamOptions,
    ) -> None:  # fmt: skip
        self._stores = stores
        self._models = models
        self._suppressions = SuppressionWatch(
            stores.library, metrics=metrics, reload_s=min(RELOAD_S, options.windows.grace_s / 2)
        )
        self._decode = decode
        self._clock = clock
        self._metrics = metrics
        self._trace = trace
        self._options = options
        self._works: dict[Partition, Work] = {}
        self._to_load: set[Partition] = set()
        self._lag: dict[Partition, int] = {}
        self._lag_read_at = float("-inf")  # monotonic
        self._failures = 0
        self._signed_at = float("-inf")
        self._last_error = ""
        self._stage_began = time.monotonic()
        self._source = connect(self._assigned, self._revoked)

    def run(self) -> None:
        """Until the clock says stop; then everything is checkpointed and the group is left."""
        try:
            while not self._clock.wait(0):
                self.run_once()
        finally:
            self.close()

    def run_once(self) -> None:
        """One round. The one place where errors are caught; nothing is lost or skipped by one."""
        try:
            self._round()
        except OutsideError as error:
            self._failed(error)
        except Exception as error:  # noqa: BLE001 -- a defect in one record's path must not end the process
            # The state may be half changed: begin again at the checkpoints.
            self._to_load.update(self._works)
            self._works.clear()
            self._failed(error)
        else:
            self._failures, self._last_error = 0, ""

    def close(self) -> None:
        """Store what is there and leave the group; what cannot be stored now is replayed by the next owner."""
        self._revoked(list(self._works))
        self._source.close()

    def status(self) -> StreamStatus:
        """Where we are."""
        return status_of(
            list(self._works.values()), lag=self._lag, now=self._clock.now(),
            model_set=self._models.current.id if self._models.current else None,
            failures=self._failures, last_error=self._last_error,
        )  # fmt: skip

    def _round(self) -> None:
        for work in self._works.values():
            self._write(work)  # what a failed round before could not
        self._stage_began = time.monotonic()
        records = self._source.poll(self._options.poll_s)
        self._take(records)
        self._load()  # after the records were taken, so that a failure here loses none
        self._passed(Stage.POLLED)
        now = self._clock.now()
        self._models.refresh(now=now)
        standing = self._suppressions.refresh(now=now)
        for work in self._works.values():
            steps.close(
                work, log_now=max(now, work.log_time) if work.is_caught_up else work.log_time, now=now,
                model=self._models.current, options=self._options.judge, metrics=self._metrics, standing=standing,
            )  # fmt: skip
        self._passed(Stage.JUDGED)
        for work in self._works.values():
            self._write(work)
        self._passed(Stage.WRITTEN)
        interval, most = self._options.checkpoint_interval_s, self._options.waiting_max
        works = self._works.values()
        due = [work for work in works if work.is_checkpoint_due(now=now, interval_s=interval, waiting_max=most)]
        if due:
            self._checkpoint(due, history_interval_s=self._options.history_interval_s)
        self._measure()
        self._give_sign(now)

    def _give_sign(self, now: float) -> None:
        """Tell control how far behind we are. Books that are down keep nobody from reading on."""
        if 0 <= now - self._signed_at < self._options.sign_interval_s:
            return
        self._signed_at = now
        status = self.status()
        sign = Sign(member=self._options.member, at=now, lag_s=status.lag_s, watermark=status.watermark)
        try:
            signs.give(self._stores.library, sign)
        except OutsideError as error:
            self._metrics.count("loop_errors_total", error=type(error).__name__)
            log.warning("sign_not_given", error=str(error))

    def _take(self, records: Sequence[Record]) -> None:
        batches: dict[Partition, list[Record]] = {}
        for record in records:
            # Those of a partition that is still to be loaded come again: it begins at its checkpoint.
            if record.partition in self._works:
                batches.setdefault(record.partition, []).append(record)
        for partition, work in self._works.items():
            batch = batches.get(partition)
            if batch:
                steps.take(work, batch, decode=self._decode, now=self._clock.now(), metrics=self._metrics)
                work.is_caught_up = False
        idle = [partition for partition, work in self._works.items() if partition not in batches]
        waiting = [partition for partition in idle if not self._works[partition].is_caught_up]
        if waiting:
            for partition, end in self._source.end_offsets(waiting).items():
                self._lag[partition] = max(0, end - self._works[partition].position)
                self._works[partition].is_caught_up = self._lag[partition] == 0

    def _write(self, work: Work) -> None:
        if work.dead:
            self._stores.dead_letters.put(work.dead)
            work.dead = []
        steps.write(
            work, library=self._stores.library, channels=self._options.channels, now=self._clock.now(),
            metrics=self._metrics, alerts_per_day=self._options.alerts_per_day,
        )  # fmt: skip

    def _checkpoint(self, due: Sequence[Work], *, history_interval_s: float) -> None:
        now, most = self._clock.now(), self._options.waiting_max
        for work in due:
            # A zombie must not overwrite history files that the new owner has written under the same names.
            if (
                work.is_history_due(now=now, interval_s=history_interval_s, waiting_max=most)
                and self._stored_fence(work.partition) <= work.fence
            ):
                self._stores.history.write(work.batch)
                work.recorded(now=now)
        self._passed(Stage.RECORDED)
        for work in due:
            try:
                self._stores.checkpoints.save(work.partition, work.payload(), generation=work.fence)
            except Conflict as error:
                # Somebody else owns the partition now; if the group still gives it to us, we begin at his checkpoint.
                log.warning("checkpoint_fenced", partition=str(work.partition), error=str(error))
                self._metrics.count("checkpoints_total", result="fenced")
                self._to_load.add(work.partition)
                self._works.pop(work.partition, None)
            else:
                work.stored(now=self._clock.now())
                self._metrics.count("checkpoints_total", result="ok")
        self._passed(Stage.CHECKPOINTED)
        self._source.commit({work.partition: work.position for work in due if work.partition in self._works})
        self._passed(Stage.COMMITTED)

    def _stored_fence(self, partition: Partition) -> int:
        try:
            return fence_of(self._stores.checkpoints.load(partition))
        except CheckpointRejected:
            return -1  # damaged: our save replaces it

    def _assigned(self, partitions: Sequence[Partition]) -> None:
        self._to_load.update(partition for partition in partitions if partition not in self._works)

    def _revoked(self, partitions: Sequence[Partition]) -> None:
        """Store what the partitions have and forget them; failing that, the next owner replays from the last one."""
        self._to_load.difference_update(partitions)
        works = [self._works[partition] for partition in partitions if partition in self._works]
        try:
            for work in works:
                self._write(work)
            unstored = [work for work in works if work.is_changed or work.windows]
            if unstored:
                self._checkpoint(unstored, history_interval_s=float("-inf"))
        except OutsideError as error:
            self._count_error(error)
            log.warning(
                "not_stored_on_revoke", partitions=[str(partition) for partition in partitions], error=str(error)
            )
        for partition in partitions:
            self._works.pop(partition, None)
            self._lag.pop(partition, None)
        self._to_load.difference_update(partitions)

    def _load(self) -> None:
        """Begin at the checkpoints of new partitions; a partition that could not be loaded stays to be loaded."""
        for partition in sorted(self._to_load):
            now, generation = self._clock.now(), self._source.generation()
            options = self._options.windows
            try:
                payload = self._stores.checkpoints.load(partition)
                work = (
                    restored(payload, partition, options=options, generation=generation, now=now)
                    if payload is not None
                    else fresh(partition, options=options, generation=generation, now=now)
                )
            except CheckpointRejected as error:
                # Everything downstream is idempotent, so reading the log anew costs time and nothing else.
                log.warning("checkpoint_rejected", partition=str(partition), error=str(error))
                self._metrics.count("checkpoints_total", result="rejected")
                work = fresh(partition, options=options, generation=generation, now=now)
            try:
                self._source.seek(partition, work.position)
            except Conflict:
                self._to_load.discard(partition)  # taken away meanwhile
                continue
            self._works[partition] = work
            self._to_load.discard(partition)
            log.info("partition_loaded", partition=str(partition), position=work.position, sequence=work.sequence)

    def _failed(self, error: Exception) -> None:
        self._failures += 1
        self._last_error = f"{type(error).__name__}: {error}"
        self._count_error(error)
        is_ours = isinstance(error, BaselineError)
        log.warning("round_failed", error=self._last_error, in_a_row=self._failures, exc_info=not is_ours)
        self._clock.wait(min(self._options.backoff_max_s, 0.25 * 2 ** min(self._failures, 10)))

    def _count_error(self, error: Exception) -> None:
        self._metrics.count("loop_errors_total", error=type(error).__name__)

    def _passed(self, stage: Stage) -> None:
        now = time.monotonic()
        self._trace.passed(stage, seconds=now - self._stage_began)
        self._stage_began = now

    def _measure(self) -> None:
        if self._works and time.monotonic() - self._lag_read_at >= LAG_READ_S:
            self._lag_read_at = time.monotonic()
            for partition, end in self._source.end_offsets(list(self._works)).items():
                self._lag[partition] = max(0, end - self._works[partition].position)
        status = self.status()
        self._metrics.gauge("consumer_lag_records", status.lag_records)
        self._metrics.gauge("consumer_lag_seconds", status.lag_s)
        self._metrics.gauge("workloads_tracked", status.workloads)
        self._metrics.gauge("open_windows", status.open_windows)
        if status.watermark is not None:
            self._metrics.gauge("watermark_age_seconds", max(0.0, self._clock.now() - status.watermark))
