"""History as Parquet files behind any fsspec URL: a path, ``file://``, ``memory://``, ``s3://``.

Layout (times are UTC days)::

    windows/horizon=60/day=2023-03-10/NAME.parquet     one row a workload and start: vector, quiet
    edges/day=2023-03-10/NAME.parquet                  one row a workload, slot and edge: counts, hits, labels

NAME is ``<topic>-<partition>-<sequence of the checkpoint>``: a replay after a crash writes the same names again and
overwrites. Rows are sorted by workload. Labels and policy hits are JSON in dictionary-encoded columns: each distinct
text is stored once a file. A windows file carries the hash of the feature schema its vectors were made with.
"""

from __future__ import annotations

import io
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import structlog

from baseline.adapters import historyrows as rows
from baseline.adapters.memory.history import hourly
from baseline.domain.errors import SchemaMismatch, Unavailable
from baseline.domain.units import DAY_S
from baseline.domain.window import HORIZONS_S
from baseline.domain.workload import WorkloadId
from baseline.features.table import WindowTable
from baseline.ports import EdgeRow, HistoryBatch

log = structlog.get_logger()

_HASH = b"baseline_schema"


class ParquetHistory:
    """Closed windows and hourly edges under one URL."""

    def __init__(self, url: str, *, schema_hash: str, only: Collection[WorkloadId] | None = None) -> None:
        """``schema_hash`` is that of the running feature schema; windows of another one are not read.

        ``only`` : the workloads whose rows are read and held; a worker of many names its share. Files are sorted by
        workload, so whole row groups of others are passed over. Such a history is a snapshot: windows are read once
        for an interval, and files that come later are not seen.
        """
        self._fs, root = fsspec.core.url_to_fs(url)
        self._root = str(root).rstrip("/")
        self._is_local = "file" in (self._fs.protocol if isinstance(self._fs.protocol, tuple) else (self._fs.protocol,))
        self._schema_hash = schema_hash
        self._only = None if only is None else {workload.key for workload in only}
        self._filter = None if only is None else rows.filter_of(only)
        # The last reading of windows of each horizon and the files it was of: callers ask workload by workload.
        self._read: dict[int, tuple[tuple[object, ...], Mapping[str, WindowTable]]] = {}
        self._asked: dict[int, tuple[float, float]] = {}  # the interval behind it

    def write(self, batch: HistoryBatch) -> None:
        """Write (or overwrite) the files of this batch; each file appears whole or not at all."""
        metadata = {_HASH: self._schema_hash.encode()}
        for (horizon, day), windows in rows.by_horizon_and_day(batch.windows).items():
            table = rows.windows_table(windows).replace_schema_metadata(metadata)
            self._put(f"windows/horizon={horizon}/day={day}/{batch.name}.parquet", table)
        for day, edges in rows.by_day(batch.edges).items():
            self._put(f"edges/day={day}/{batch.name}.parquet", rows.edges_table(edges))

    def workloads(self, *, since: float, until: float) -> Sequence[WorkloadId]:
        """Everything with windows in [since, until), sorted by key."""
        found: dict[str, WorkloadId] = {}
        for horizon in HORIZONS_S:
            for path in self._files(f"windows/horizon={horizon}", since, until):
                table = self._get(path, columns=rows.PLACE, only=self._filter)
                found |= rows.workloads_within(table, since=since, until=until)
        return [found[key] for key in sorted(found) if self._only is None or key in self._only]

    def windows(self, workload: WorkloadId, *, horizon_s: int, since: float, until: float) -> WindowTable:
        """The workload's vectors at this horizon, in time order, one row per start (the last write wins).

        Raises
        ------
        SchemaMismatch
            There are windows in this time, but all were made with another feature schema.
        """
        table = self._windows(horizon_s, since, until).get(workload.key)
        if table is None:
            return rows.empty_table(workload, horizon_s)
        kept = (table.starts >= since) & (table.starts < until)
        return WindowTable(
            workload=workload, horizon_s=horizon_s, starts=table.starts[kept], values=table.values[kept],
            quiet=table.quiet[kept],
        )  # fmt: skip

    def edges(self, *, since: float, until: float, workload: WorkloadId | None = None) -> Iterator[EdgeRow]:
        """Hourly edges in [since, until), in order of workload, hour and edge; rows of the same hour are merged."""
        files = [(Path(path).name, path) for path in self._files("edges", since, until)]
        return hourly(
            (name, rows.edge_rows(self._get(path, only=self._filter), since=since, until=until, workload=workload))
            for name, path in sorted(files)
        )

    def expire(self, *, windows_before: float, edges_before: float) -> int:
        """Delete files of days that lie wholly before; how many were deleted."""
        deleted = 0
        for folder, before in (
            *((f"windows/horizon={horizon}", windows_before) for horizon in HORIZONS_S),
            ("edges", edges_before),
        ):
            for day_folder in self._list(folder):
                if _day_start(day_folder) + DAY_S <= before:
                    name = f"{folder}/{Path(day_folder).name}"
                    deleted += len(self._list(name))
                    self._guarded(self._fs.rm, f"{self._root}/{name}", recursive=True)
        self._read.clear()
        return deleted

    def _windows(self, horizon: int, since: float, until: float) -> Mapping[str, WindowTable]:
        if self._only is not None and horizon in self._read and self._asked.get(horizon) == (since, until):
            return self._read[horizon][1]
        paths = self._files(f"windows/horizon={horizon}", since, until)
        signature = (*paths, *(self._guarded(self._fs.size, path) for path in paths))
        held = self._read.get(horizon)
        self._asked[horizon] = (since, until)
        if held is not None and held[0] == signature:
            return held[1]
        tables = []
        for path in paths:
            table = self._get(path, only=self._filter)
            made_with = (table.schema.metadata or {}).get(_HASH, b"").decode()
            if made_with == self._schema_hash:
                tables.append(table)
            else:
                log.warning("history_of_other_schema_skipped", file=path, schema=made_with, ours=self._schema_hash)
        if paths and not tables:
            raise SchemaMismatch(f"all {len(paths)} files of windows were made with another feature schema")
        read = rows.window_tables(tables, horizon)
        self._read[horizon] = (signature, read)
        return read

    def _put(self, name: str, table: pa.Table) -> None:
        buffer = io.BytesIO()
        pq.write_table(table, buffer, compression="zstd", row_group_size=65_536)
        path = f"{self._root}/{name}"
        self._guarded(self._fs.makedirs, path.rpartition("/")[0], exist_ok=True)
        if self._is_local:
            # Written beside and renamed, so that a reader never sees half a file; object stores do that themselves.
            self._guarded(self._fs.pipe_file, f"{path}.tmp", buffer.getvalue())
            self._guarded(Path(f"{path}.tmp").replace, path)
        else:
            self._guarded(self._fs.pipe_file, path, buffer.getvalue())
        self._read.clear()

    def _get(self, path: str, *, columns: list[str] | None = None, only: pc.Expression | None = None) -> pa.Table:
        """The file's rows; of remote files only the parts that are needed are fetched."""
        with self._guarded(self._fs.open, path, "rb") as file:
            return self._guarded(pq.read_table, file, columns=columns, filters=only)

    def _files(self, folder: str, since: float, until: float) -> list[str]:
        """Files of the days that touch [since, until), in order of name: the last one wins."""
        days = [path for path in self._list(folder) if since - DAY_S < _day_start(path) < until]
        paths = [path for day in days for path in self._list(f"{folder}/{Path(day).name}")]
        return sorted(paths, key=lambda path: (Path(path).name, path))

    def _list(self, folder: str) -> list[str]:
        """Children of a folder, none when it does not exist; unfinished files are left out."""
        try:
            self._fs.invalidate_cache()
            found = self._fs.ls(f"{self._root}/{folder}", detail=False)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise Unavailable(f"history cannot be listed: {error}") from error
        return sorted(str(path).rstrip("/") for path in found if not str(path).endswith(".tmp"))

    def _guarded(self, call: Any, *args: Any, **options: Any) -> Any:  # noqa: ANN401 -- whatever fsspec takes and gives
        try:
            return call(*args, **options)
        except OSError as error:
            raise Unavailable(f"history cannot be reached: {error}") from error


def _day_start(folder: str) -> float:
    """Epoch seconds of a folder ``.../day=2023-03-10``."""
    day = Path(folder).name.removeprefix("day=")
    return datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()
