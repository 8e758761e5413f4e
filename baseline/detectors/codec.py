"""Model sets as bytes: safetensors and JSON, nothing executable. What cannot be right is refused before it is used.

Walking a tree with a child id out of range would read foreign memory in compiled code, so every id is checked here
(those of forests by ``forest_layout``).
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt

from baseline.detectors import feedback, forest_layout
from baseline.domain.errors import ModelSetRejected, SchemaMismatch
from baseline.domain.modelset import FORMAT, Manifest
from baseline.features import schema

_KINDS = "fiu"
_CALIBRATED = ("tail.p", "neighbours.p", "forest.p", "final")
_OF_LINES = ("workloads.first_seen", "workloads.hours", "workloads.chance_new", "edges.group")
_OF_EDGES = ("edges.first_seen", "edges.last_seen", "edges.days", "edges.hours", "edges.connections")
_OF_FAR_ENDS = ("edges.far_hash", "edges.far_users", "edges.far_first")
_OF_GROUPS = ("edges.group_sizes", "edges.group_hash", "edges.group_users", "edges.group_offsets")
_FLEET = (
    "workloads.keys", "is_mature", "calendar.zone", "calendar.holidays", "edges.hash", "edges.offsets", "edges.shares",
    "edges.peers", "edges.peer_offsets", "edges.common", "edges.since", *_OF_LINES, *_OF_EDGES, *_OF_FAR_ENDS,
    *_OF_GROUPS,
)  # fmt: skip
_HORIZON = (
    "seasonal.centre", "seasonal.scale", "seasonal.ceiling", "seasonal.level", "seasonal.learned", "seasonal.present",
    "seasonal.moved", "seasonal.half_life_s",
    "neighbours.own", "neighbours.bounds", "neighbours.fleet", "neighbours.trust",
    "tail.rise", "tail.fall", "forest.nodes", "forest.trees", "forest.forests", "forest.samples", "forest.own",
    "edges.rate", "edges.more", "edges.typical", "ready", "span_s",
    *(f"{part}.schema" for part in ("seasonal", "tail", "forest", "edges")),
    *(f"{voice}.{name}" for voice in _CALIBRATED for name in ("quantiles", "tails", "ready")),
)  # fmt: skip


def encode(arrays: Mapping[str, npt.NDArray[Any]]) -> bytes:
    """Arrays as one safetensors file; the same arrays give the same bytes."""
    from safetensors.numpy import save

    return bytes(save({name: np.ascontiguousarray(arrays[name]) for name in sorted(arrays)}))


def decode(payload: bytes, *, name: str) -> dict[str, npt.NDArray[Any]]:
    """The arrays of a safetensors file; ModelSetRejected when it is none, or holds other than plain numbers."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        arrays = load(payload)
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise ModelSetRejected(f"{name}: not a safetensors file: {error}") from error
    for key, array in arrays.items():
        if array.dtype.kind not in _KINDS:
            raise ModelSetRejected(f"{name}: array {key} of type {array.dtype}")
    return arrays


def manifest_bytes(manifest: Manifest) -> bytes:
    """The manifest as canonical JSON."""
    return (json.dumps(asdict(manifest), sort_keys=True, indent=1, allow_nan=False) + "\n").encode()


def read_manifest(payload: bytes) -> Manifest:
    """A manifest, checked for form; ModelSetRejected otherwise."""
    try:
        found = json.loads(payload)
        manifest = Manifest(
            id=_text(found["id"]),
            format=int(found["format"]),
            schema_hash=_text(found["schema_hash"]),
            recipe=_text(found["recipe"]),
            created_at=float(found["created_at"]),
            trained_from=float(found["trained_from"]),
            trained_until=float(found["trained_until"]),
            data_hash=_text(found["data_hash"]),
            workloads=int(found["workloads"]),
            files={_text(name): _text(digest) for name, digest in found["files"].items()},
            metrics={_text(name): float(value) for name, value in found["metrics"].items()},
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ModelSetRejected(f"manifest: {error!r}") from error
    if manifest.format != FORMAT:
        raise ModelSetRejected(f"manifest: format {manifest.format}, this code reads {FORMAT}")
    if not manifest.id or not set(manifest.id) <= set("0123456789abcdef"):
        raise ModelSetRejected(f"manifest: id {manifest.id!r}")
    if any("/" in name or "\\" in name or name.startswith(".") for name in manifest.files):
        raise ModelSetRejected("manifest: a file name that leaves the folder")
    return manifest


def set_id(digests: Mapping[str, str], recipe: str, schema_hash: str) -> str:
    """Content address of a set: the same files and recipe are the same set."""
    text = json.dumps([sorted(digests.items()), recipe, schema_hash], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def sha256(payload: bytes) -> str:
    """Hex digest."""
    return hashlib.sha256(payload).hexdigest()


def check(files: Mapping[str, Mapping[str, Any]], manifest: Manifest) -> None:
    """Raise ModelSetRejected unless the arrays fit each other, are finite and hold ids in range; SchemaMismatch for
    a set of another schema.
    """
    if manifest.schema_hash != schema.hash():
        raise SchemaMismatch(f"model set {manifest.id} was made with schema {manifest.schema_hash}")
    if "fleet.safetensors" not in files:
        raise ModelSetRejected("fleet.safetensors is missing")
    lines = manifest.workloads
    _check_fleet(files["fleet.safetensors"], lines)
    for name, arrays in files.items():
        if name == "fleet.safetensors":
            continue
        if not (name.startswith("h") and name.removeprefix("h").removesuffix(".safetensors").isdigit()):
            raise ModelSetRejected(f"unexpected file {name}")
        _check_horizon(arrays, lines, name)


def _check_fleet(arrays: Mapping[str, Any], lines: int) -> None:
    _complete(arrays, _FLEET, "fleet")
    _need(bytes(np.asarray(arrays["workloads.keys"], dtype=np.uint8)).count(b"\n") == max(0, lines - 1), "fleet: keys")
    for offsets, values in (("edges.offsets", "edges.hash"), ("edges.peer_offsets", "edges.peers")):
        bounds = np.asarray(arrays[offsets])
        _need(
            bounds.shape == (lines + 1,) and bounds[0] == 0 and bounds[-1] == len(arrays[values]), f"fleet: {offsets}"
        )
        _need(bool((np.diff(bounds) >= 0).all()), f"fleet: {offsets} fall")
    _need(arrays["edges.shares"].shape == (len(arrays["edges.hash"]), 2), "fleet: edges.shares")
    for names, count in ((_OF_LINES, lines), (_OF_EDGES, len(arrays["edges.hash"])),
                         (_OF_FAR_ENDS, len(arrays["edges.far_hash"]))):  # fmt: skip
        for key in names:
            _need(np.asarray(arrays[key]).shape == (count,), f"fleet: {key}")
    chance = np.asarray(arrays["workloads.chance_new"])
    _need(bool(((chance > 0) & (chance <= 1)).all()), "fleet: workloads.chance_new")
    _check_groups(arrays)


def _check_groups(arrays: Mapping[str, Any]) -> None:
    group, sizes = np.asarray(arrays["edges.group"]), np.asarray(arrays["edges.group_sizes"])
    _need(group.dtype.kind == "i" and bool(((group >= 0) & (group < len(sizes))).all()), "fleet: group out of range")
    _need(np.array_equal(np.bincount(group, minlength=len(sizes)), sizes), "fleet: edges.group_sizes")
    bounds, count = np.asarray(arrays["edges.group_offsets"]), len(arrays["edges.group_hash"])
    _need(bounds.shape == (len(sizes) + 1,) and bounds[0] == 0 and bounds[-1] == count, "fleet: edges.group_offsets")
    _need(bool((np.diff(bounds) >= 0).all()), "fleet: edges.group_offsets fall")
    _need(np.asarray(arrays["edges.group_users"]).shape == (count,), "fleet: edges.group_users")
    _need(np.asarray(arrays["edges.since"]).shape == (1,), "fleet: edges.since")


def _check_horizon(arrays: Mapping[str, Any], lines: int, name: str) -> None:
    _complete(arrays, _HORIZON, name)
    for key in (key for key in arrays if key.startswith("weights.")):  # of feedback.packed, where anybody decided
        weight = np.asarray(arrays[key])
        is_bounded = weight.shape == (lines,) and bool(((weight >= feedback.LEAST) & (weight <= feedback.MOST)).all())
        _need(is_bounded, f"{name}: {key} {weight.shape}")
    for key in (key for key in arrays if key.endswith(".schema")):
        _need(np.array_equal(arrays[key], schema.PRODUCT.mark), f"{name}: {key} is of another schema")
    shape = np.asarray(arrays["seasonal.centre"]).shape
    _need(len(shape) == 3 and shape[0] == lines + 1 and shape[1] in (1, 48, 168), f"{name}: seasonal.centre {shape}")
    _need(shape[2] == schema.WIDTH, f"{name}: {shape[2]} features")
    _need(arrays["seasonal.scale"].shape == shape and arrays["seasonal.ceiling"].shape == shape, f"{name}: seasonal")
    _need(bool((np.asarray(arrays["seasonal.scale"]) >= 0).all()), f"{name}: negative scale")
    moved, half_life_s = np.asarray(arrays["seasonal.moved"]), np.asarray(arrays["seasonal.half_life_s"])
    _need(moved.shape == (lines + 1, shape[2]), f"{name}: seasonal.moved {moved.shape}")
    _need(half_life_s.shape == (1,) and float(half_life_s[0]) >= 0, f"{name}: seasonal.half_life_s")
    present = np.asarray(arrays["seasonal.present"])
    _need(present.shape == (lines + 1, shape[2]) and bool((present <= 1).all()), f"{name}: seasonal.present")
    _check_neighbours(arrays, lines, name)
    for voice in _CALIBRATED:
        quantiles, tails = np.asarray(arrays[f"{voice}.quantiles"]), np.asarray(arrays[f"{voice}.tails"])
        _need(quantiles.shape == (lines + 1, 7) and tails.shape == (lines + 1, 2), f"{name}: {voice}")
        _need(bool((tails[:, 0] > 0).all()) and bool((np.abs(tails[:, 1]) <= 1).all()), f"{name}: {voice}.tails")
    for rate in ("edges.rate", "edges.more"):
        found = np.asarray(arrays[rate])
        _need(found.shape == (lines + 1,) and bool(((found > 0) & (found <= 1)).all()), f"{name}: {rate}")
    typical = np.asarray(arrays["edges.typical"])
    _need(typical.shape == (1,) and 0.5 <= float(typical[0]) <= 2.0, f"{name}: edges.typical")
    forest = {key: np.asarray(arrays[f"forest.{key}"]) for key in forest_layout.NAMES}
    wrong = forest_layout.wrong(forest, lines=lines, width=shape[2])
    _need(wrong is None, f"{name}: forest: {wrong}")


def _check_neighbours(arrays: Mapping[str, Any], lines: int, name: str) -> None:
    own, fleet = np.asarray(arrays["neighbours.own"]), np.asarray(arrays["neighbours.fleet"])
    for reference in (own, fleet):
        is_packed = reference.dtype == np.int8 and reference.ndim == 2 and reference.shape[1] == schema.WIDTH
        _need(is_packed, f"{name}: neighbours of {reference.dtype}, {reference.shape}")
    bounds, trust = np.asarray(arrays["neighbours.bounds"]), np.asarray(arrays["neighbours.trust"])
    _need(bounds.shape == (lines + 1,) and bounds.dtype.kind == "i", f"{name}: neighbours.bounds")
    _need(bounds[0] == 0 and bounds[-1] == len(own), f"{name}: neighbours.bounds do not span the reference")
    _need(bool((np.diff(bounds) >= 0).all()), f"{name}: neighbours.bounds fall")
    _need(trust.shape == (lines + 1,) and bool(((trust >= 0) & (trust <= 1)).all()), f"{name}: neighbours.trust")
    _need(trust[-1] == 0, f"{name}: neighbours.trust in a newcomer's own reference")


def _complete(arrays: Mapping[str, Any], names: tuple[str, ...], where: str) -> None:
    for name in names:
        _need(name in arrays, f"{where}: {name} is missing")
    for name, array in arrays.items():
        found = np.asarray(array)
        _need(found.dtype.kind in _KINDS, f"{where}: {name} of type {found.dtype}")
        if found.dtype.kind == "f":
            _need(bool(np.isfinite(found).all()), f"{where}: {name} holds numbers that are not finite")


def _need(is_so: bool, what: str) -> None:
    if not is_so:
        raise ModelSetRejected(what)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"not a text: {value!r}")
    return value


_DTYPES: dict[str, type[np.generic]] = {
    "F64": np.float64, "F32": np.float32, "I64": np.int64, "I32": np.int32, "I16": np.int16, "I8": np.int8,
    "U64": np.uint64, "U32": np.uint32, "U16": np.uint16, "U8": np.uint8,
}  # fmt: skip
MOST_HEADER = 1 << 20  # bytes
Layout = dict[str, tuple[type[np.generic], tuple[int, ...], int, int]]


def layout(header: bytes, *, size: int, name: str) -> Layout:
    """Where the arrays of a safetensors file of ``size`` bytes lie: name -> (dtype, shape, first byte, last byte + 1).

    ``header`` is the file's JSON header. Read by hand, because the library copies arrays out of a file while we map
    them. Raises ModelSetRejected for anything that does not add up: an offset outside the file or not aligned, a size
    that is not shape times type, a foreign type.
    """
    begin_of_data = 8 + len(header)
    try:
        found: Layout = {}
        for key, entry in json.loads(header).items():
            if key == "__metadata__":
                continue
            dtype = _DTYPES[entry["dtype"]]
            item = np.dtype(dtype).itemsize
            shape = tuple(int(extent) for extent in entry["shape"])
            begin, end = (int(offset) + begin_of_data for offset in entry["data_offsets"])
            is_inside = begin_of_data <= begin <= end <= size and begin % item == 0
            if min(shape, default=0) < 0 or not is_inside or end - begin != math.prod(shape) * item:
                raise ValueError(f"{key}: shape {shape}, bytes {begin} to {end} of {size}")
            found[key] = (dtype, shape, begin, end)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ModelSetRejected(f"{name}: not a safetensors file of numbers: {error!r}") from error
    return found
