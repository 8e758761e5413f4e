"""Westermo's flows as windows of 10 s of 30 entities: the protocol of the project's evidence (detection.md, run 2).

An entity is an address seen at one capture point, group addresses and ARP's MACs included. A window counts its flows
either way. It is an attack's where a flow in it is the attacker's (``NST_B_Label``), of the commonest kind among those.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from baseline.detectors.protocol import Rows
from baseline.domain.deviation import Family
from baseline.domain.edge import Direction
from baseline.features import schema
from baseline.features.schema import Feature, Measure, Schema
from baseline.features.table import FloatArray, IntArray
from pipelines._westermo_rows import CAPTURE_POINTS

WINDOW_S = 10.0
FEWEST_WINDOWS = 100  # of an entity in the whole recording
GROUPS = ("ff:ff", "01:", "33:")  # MACs that are no device
COLUMNS = (
    "start", "duration", "protocol", "sAddress", "rAddress", "sPackets", "rPackets", "sBytesSum", "rBytesSum",
    "sSynRate", "sRstRate", "rRstRate", "NST_B_Label", "NST_M_Label",
)  # fmt: skip
COUNTS = ("flows", "flows_out", "peers", "bytes_out", "bytes_in", "packets_out", "packets_in")


def _feature(name: str, family: Family, measure: Measure, words: str) -> Feature:
    noise = 0.15 if measure is Measure.COUNT else 0.2  # as the product's own features of these measures have
    return Feature(name=name, family=family, direction=Direction.EGRESS, measure=measure, words=words, noise=noise)


SCHEMA = Schema((
    _feature("flows", Family.FAN_OUT, Measure.COUNT, "flows"),
    _feature("flows_out", Family.FAN_OUT, Measure.COUNT, "flows started"),
    _feature("peers", Family.FAN_OUT, Measure.COUNT, "different peers"),
    _feature("bytes_out", Family.VOLUME, Measure.BYTES, "sent"),
    _feature("bytes_in", Family.VOLUME, Measure.BYTES, "received"),
    _feature("packets_out", Family.VOLUME, Measure.PACKETS, "packets sent"),
    _feature("packets_in", Family.VOLUME, Measure.PACKETS, "packets received"),
    _feature("protocols", Family.SHAPE, Measure.RATIO, "different protocols"),
    _feature("duration", Family.TIMING, Measure.RATIO, "mean seconds a flow"),
    _feature("syn", Family.FAILURE, Measure.SHARE, "mean share of packets with SYN"),
    _feature("rst", Family.FAILURE, Measure.SHARE, "mean share of packets with RST"),
    _feature("bytes_a_flow", Family.SHAPE, Measure.RATIO, "bytes a flow"),
    _feature("upload", Family.SHAPE, Measure.RATIO, "bytes sent for one received"),
    _feature("peers_a_flow", Family.SHAPE, Measure.RATIO, "peers a flow"),
))  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowSet:
    """All windows in order of entity and time.

    entities : their names, sorted. lines : int64 (n,), each window's entity. numbers : int64 (n,), each window's
    place in time. begins : epoch seconds UTC of window 0. values : (n, SCHEMA.width), as the protocol has them.
    attacks : (n,), the kind of attack, empty for none. meetings : (m, 2), positions of two windows of one time whose
    entities exchanged a flow, both ways round.
    """

    entities: tuple[str, ...]
    lines: IntArray
    numbers: IntArray
    begins: float
    values: FloatArray
    attacks: npt.NDArray[np.str_]
    meetings: IntArray

    def rows(self, which: npt.NDArray[np.bool_]) -> Rows:
        """What detectors read of some windows; shares on the scale that the product has them on."""
        scale = np.where([f.measure is Measure.SHARE for f in SCHEMA.features], schema.SHARE_SCALE, 1.0)
        count = int(which.sum())
        nothing = np.zeros(count, dtype=np.int64)
        return Rows(
            schema=SCHEMA, workloads=self.lines[which],
            starts=(self.begins + self.numbers[which] * WINDOW_S).astype(np.int64), slots=nothing, days=nothing,
            values=self.values[which] * scale, residuals=np.zeros((0, SCHEMA.width)), fresh=nothing,
            fresh_peers=nothing,
        )  # fmt: skip


def read(folder: Path, *, share: float = 1.0) -> WindowSet:
    """The windows of the first ``share`` of the recording."""
    flows = pd.concat([_flows(folder, capture) for capture in CAPTURE_POINTS], ignore_index=True)
    begins = float(flows["start"].min())
    flows["window"] = ((flows["start"] - begins) // WINDOW_S).astype(np.int64)
    flows = flows[flows["window"] <= share * flows["window"].max()]
    return _windows(_both_ends(flows), begins)


def _flows(folder: Path, capture: str) -> pd.DataFrame:
    with zipfile.ZipFile(folder / f"output_{capture}.zip") as archive, archive.open(f"output_{capture}.csv") as raw:
        return pd.read_csv(raw, usecols=list(COLUMNS), low_memory=False).assign(capture=capture)


def _both_ends(flows: pd.DataFrame) -> pd.DataFrame:
    """Each flow once for each of its ends: ``entity``, ``peer`` and sums as seen from the entity."""
    ends = []
    for is_out, own, other in ((1, "s", "r"), (0, "r", "s")):
        ends.append(
            pd.DataFrame(
                {
                    "address": flows[f"{own}Address"].astype(str),
                    "capture": flows["capture"],
                    "entity": flows["capture"] + "|" + flows[f"{own}Address"].astype(str),
                    "peer": flows["capture"] + "|" + flows[f"{other}Address"].astype(str),
                    "window": flows["window"],
                    "out": is_out,
                    "bytes_out": flows[f"{own}BytesSum"],
                    "bytes_in": flows[f"{other}BytesSum"],
                    "packets_out": flows[f"{own}Packets"],
                    "packets_in": flows[f"{other}Packets"],
                    "protocol": flows["protocol"],
                    "duration": flows["duration"],
                    "syn": flows["sSynRate"],
                    "own_rst": flows["sRstRate"],
                    "other_rst": flows["rRstRate"],
                    "attack": flows["NST_M_Label"].where(flows["NST_B_Label"] == 1, ""),
                }
            )
        )
    both = pd.concat(ends, ignore_index=True)
    return both[~both["address"].str.startswith(GROUPS)]


def _windows(ends: pd.DataFrame, begins: float) -> WindowSet:
    grouped = ends.groupby(["entity", "window"])
    sums = grouped[["bytes_out", "bytes_in", "packets_out", "packets_in"]].sum()
    means = grouped[["duration", "syn", "own_rst", "other_rst"]].mean()
    table = sums.assign(
        flows=grouped.size(), flows_out=grouped["out"].sum(), peers=grouped["peer"].nunique(),
        protocols=grouped["protocol"].nunique(), duration=means["duration"], syn=means["syn"],
        rst=means["own_rst"] + means["other_rst"],
    ).fillna(0.0)  # fmt: skip
    attacks = ends[ends["attack"] != ""].groupby(["entity", "window"])["attack"].agg(_commonest)
    table["attack"] = attacks.reindex(table.index).fillna("")
    table = table[table.groupby("entity")["flows"].transform("size") >= FEWEST_WINDOWS].copy()
    logs = np.log1p(table[list(COUNTS)])
    table[list(COUNTS)] = logs
    table["bytes_a_flow"] = logs["bytes_out"] + logs["bytes_in"] - logs["flows"]
    table["upload"] = logs["bytes_out"] - logs["bytes_in"]
    table["peers_a_flow"] = logs["peers"] - logs["flows"]
    lines, entities = pd.factorize(table.index.get_level_values("entity"), sort=True)
    return WindowSet(
        entities=tuple(str(entity) for entity in entities),
        lines=lines.astype(np.int64),
        numbers=table.index.get_level_values("window").to_numpy(dtype=np.int64),
        begins=begins,
        values=table[list(SCHEMA.names)].to_numpy(dtype=np.float64),
        attacks=table["attack"].to_numpy(dtype=np.str_),
        meetings=_meetings(ends, pd.MultiIndex.from_tuples(table.index.to_list())),
    )


def _commonest(kinds: pd.Series[str]) -> str:
    return str(kinds.value_counts().index[0])


def _meetings(ends: pd.DataFrame, windows: pd.MultiIndex) -> IntArray:
    met = ends[["entity", "peer", "window"]].drop_duplicates()
    here = windows.get_indexer(pd.MultiIndex.from_frame(met[["entity", "window"]]))
    there = windows.get_indexer(pd.MultiIndex.from_frame(met[["peer", "window"]]))
    is_known = (here >= 0) & (there >= 0)
    return np.stack([here[is_known], there[is_known]], axis=1).astype(np.int64)
