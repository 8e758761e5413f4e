"""Model sets as bytes: what is written is read, and what cannot be right is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from baseline.detectors import codec
from baseline.detectors.fitted import FittedSet
from baseline.domain.errors import ModelSetRejected, SchemaMismatch
from baseline.domain.modelset import Manifest
from tests.unit.services_score.making import fitted_files

NUMBERS = st.one_of(
    arrays_of.arrays(np.float64, arrays_of.array_shapes(max_dims=3, max_side=5), elements=st.floats(-1e9, 1e9)),
    arrays_of.arrays(np.int32, arrays_of.array_shapes(max_dims=2, max_side=5)),
    arrays_of.arrays(np.uint64, arrays_of.array_shapes(max_dims=1, max_side=9)),
)
NAMES = st.text(alphabet="abcdefgh._", min_size=1, max_size=12).filter(lambda name: name != "__metadata__")


@given(st.dictionaries(NAMES, NUMBERS, max_size=5))
def test_arrays_come_back_as_they_were(found: dict[str, np.ndarray[Any, Any]]) -> None:
    """To the last bit, with shape and type."""
    loaded = codec.decode(codec.encode(found), name="any")
    assert set(loaded) == set(found)
    for name, array in found.items():
        assert loaded[name].dtype == array.dtype
        assert np.array_equal(loaded[name], array)


@given(st.dictionaries(NAMES, NUMBERS, min_size=1, max_size=5))
def test_the_layout_finds_every_array_where_the_library_put_it(found: dict[str, np.ndarray[Any, Any]]) -> None:
    """Mapping a file by hand reads what the library wrote."""
    payload = codec.encode(found)
    length = int.from_bytes(payload[:8], "little")
    layout = codec.layout(payload[8 : 8 + length], size=len(payload), name="any")
    for name, array in found.items():
        dtype, shape, begin, end = layout[name]
        assert np.array_equal(np.frombuffer(payload[begin:end], dtype=dtype).reshape(shape), array)


@given(st.binary(max_size=400))
def test_any_other_bytes_are_refused(payload: bytes) -> None:
    """Never an unexpected error, never a set."""
    with pytest.raises(ModelSetRejected):
        codec.decode(payload, name="any")
    with pytest.raises(ModelSetRejected):
        codec.read_manifest(payload)


@given(st.integers(min_value=0, max_value=10**6), st.integers(min_value=1, max_value=255))
def test_a_flipped_byte_of_the_header_never_leads_outside_the_file(place: int, flip: int) -> None:
    """Either refused, or every array still lies inside."""
    payload = codec.encode({"a": np.arange(6.0), "b": np.arange(4, dtype=np.int32)})
    length = int.from_bytes(payload[:8], "little")
    header = bytearray(payload[8 : 8 + length])
    header[place % length] ^= flip
    try:
        layout = codec.layout(bytes(header), size=len(payload), name="any")
    except ModelSetRejected:
        return
    assert all(8 + length <= begin <= end <= len(payload) for _, _, begin, end in layout.values())


@pytest.fixture(scope="module", name="made")
def _made() -> tuple[Manifest, dict[str, dict[str, Any]]]:
    """A fitted set, decoded."""
    manifest, files = fitted_files()
    return manifest, {name: codec.decode(payload, name=name) for name, payload in files.items()}


def _children_of_themselves(array: Any) -> Any:
    return np.zeros_like(array)


@pytest.mark.parametrize(
    ("file", "name", "change"),
    [
        ("h60.safetensors", "forest.nodes", _children_of_themselves),
        ("h60.safetensors", "forest.nodes", lambda array: array | 0x3FF),
        ("h60.safetensors", "forest.nodes", lambda array: array | (0xFF << 24)),
        ("h60.safetensors", "forest.trees", lambda array: array + 10**6),
        ("h60.safetensors", "forest.forests", lambda array: array - 5),
        ("h60.safetensors", "forest.samples", lambda array: array * 10**6),
        ("h60.safetensors", "forest.own", lambda array: array + 10**6),
        ("h60.safetensors", "forest.own", lambda array: array.astype(np.float64)),
        ("h60.safetensors", "seasonal.scale", lambda array: array * np.nan),
        ("h60.safetensors", "seasonal.centre", lambda array: array[:, :, :3]),
        ("h60.safetensors", "final.tails", lambda array: -array),
        ("h60.safetensors", "edges.rate", lambda array: array * 0),
        ("fleet.safetensors", "edges.offsets", lambda array: array[::-1].copy()),
        ("fleet.safetensors", "workloads.first_seen", lambda array: array[:1]),
        ("fleet.safetensors", "workloads.hours", lambda array: array[:1]),
        ("fleet.safetensors", "workloads.chance_new", lambda array: array * 0),
        ("fleet.safetensors", "edges.days", lambda array: array[:1]),
        ("fleet.safetensors", "edges.group", lambda array: array + 7),
        ("fleet.safetensors", "edges.group_sizes", lambda array: array + 1),
        ("fleet.safetensors", "edges.group_offsets", lambda array: array[::-1].copy()),
        ("fleet.safetensors", "edges.group_users", lambda array: array[:1]),
        ("fleet.safetensors", "edges.far_users", lambda array: array[:1]),
        ("h60.safetensors", "edges.typical", lambda array: array * 9),
        ("h60.safetensors", "seasonal.present", lambda array: array[:1]),
        ("h60.safetensors", "seasonal.present", lambda array: array + 1),
    ],
)
def test_a_hostile_array_is_refused(made: Any, file: str, name: str, change: Any) -> None:
    """Ids out of range, foreign shapes, numbers that are none."""
    manifest, files = made
    hostile = {key: dict(arrays) for key, arrays in files.items()}
    hostile[file][name] = change(hostile[file][name])
    with pytest.raises(ModelSetRejected):
        FittedSet.load(hostile, manifest)


def test_a_missing_array_is_refused(made: Any) -> None:
    """A set is whole or it is none."""
    manifest, files = made
    with pytest.raises(ModelSetRejected, match="missing"):
        FittedSet.load({**files, "h60.safetensors": {"ready": np.ones(1, dtype=np.int64)}}, manifest)


def test_a_set_of_another_schema_is_refused(made: Any) -> None:
    """Never judge with columns of another meaning."""
    manifest, files = made
    with pytest.raises(SchemaMismatch):
        FittedSet.load(files, replace(manifest, schema_hash="f" * 16))
