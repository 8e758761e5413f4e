"""Lines that are no records: each has its reason, its good neighbours count, nothing crashes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from baseline.domain.errors import MalformedRecord
from baseline.formats import decode
from tests.unit.formats.records import START, enterprise, goldmane, line, reason_of


def swapped(old: bytes, new: bytes) -> bytes:
    """The sample with some of its bytes replaced."""
    whole = line(enterprise())
    assert old in whole
    return whole.replace(old, new)


# name, line, reason, field
HOSTILE: list[tuple[str, Callable[[], bytes], str, str]] = [
    ("truncated", lambda: line(enterprise())[:-20], "not_json", "line"),
    ("two on a line", lambda: line(enterprise()) * 2, "not_json", "line"),
    ("trailing comma, as in a published sample", lambda: line(enterprise())[:-1] + b",}", "not_json", "line"),
    ("empty object", lambda: b"{}", "missing_field", "source_name_aggr"),
    ("array", lambda: b"[1,2]", "not_object", "line"),
    ("number", lambda: b"17", "not_object", "line"),
    ("plain text", lambda: b"end StatusCode.UNAVAILABLE", "not_json", "line"),
    ("nested without end", lambda: swapped(b'"source_ip": null', b'"x": ' + b"[" * 50_000), "not_json", "nesting"),
    ("invalid UTF-8", lambda: swapped(b"cartservice-7d", b"cart\xff\xfe-7d"), "not_utf8", "byte"),
    ("invalid UTF-8 in a field nobody reads", lambda: swapped(b"21842", b"\xc3("), "not_utf8", "byte"),
    ("lone surrogate", lambda: swapped(b"/src/server", b"\\ud800"), "not_json", "line"),
    ("ten megabytes", lambda: line(enterprise(process_name="x" * 10_000_000)), "too_large", "line"),
    ("a long field", lambda: line(enterprise(process_args=["x" * 70_000])), "too_large", "process_args[0]"),
    ("count is an object", lambda: line(enterprise(bytes_in={})), "wrong_type", "bytes_in"),
    ("count is true", lambda: line(enterprise(bytes_in=True)), "wrong_type", "bytes_in"),
    ("name is a number", lambda: line(enterprise(source_name_aggr=7)), "wrong_type", "source_name_aggr"),
    ("labels are a text", lambda: line(enterprise(source_labels="app=x")), "wrong_type", "source_labels"),
    ("policies are a list", lambda: line(enterprise(policies=[1])), "wrong_type", "policies"),
    ("NaN", lambda: swapped(b'"bytes_in": 133612', b'"bytes_in": NaN'), "bad_number", "bytes_in"),
    ("NaN as a text", lambda: line(enterprise(bytes_in="NaN")), "bad_number", "bytes_in"),
    ("infinity", lambda: swapped(b"133612", b"-Infinity"), "bad_number", "bytes_in"),
    ("2^53 + 1", lambda: line(enterprise(packets_in=2**53 + 1)), "bad_number", "packets_in"),
    ("2^63", lambda: line(enterprise(packets_in=2**63)), "bad_number", "packets_in"),
    ("2^63 as a text", lambda: line(enterprise(packets_in=str(2**63))), "bad_number", "packets_in"),
    ("400 digits", lambda: swapped(b"133612", b"9" * 400), "bad_number", "bytes_in"),
    ("1e400", lambda: swapped(b"133612", b"1e400"), "bad_number", "bytes_in"),
    ("half a byte", lambda: line(enterprise(bytes_in=1.5)), "bad_number", "bytes_in"),
    ("negative bytes", lambda: line(enterprise(bytes_out=-1)), "bad_number", "bytes_out"),
    ("port 70000", lambda: line(enterprise(dest_port=70_000)), "bad_number", "dest_port"),
    ("unknown action", lambda: line(enterprise(action="log")), "unknown_action", "action"),
    ("empty action", lambda: line(enterprise(action="")), "unknown_action", "action"),
    ("unknown reporter", lambda: line(enterprise(reporter="both")), "unknown_reporter", "reporter"),
    ("transit", lambda: line(enterprise(reporter="fwd")), "transit", "reporter"),
    ("unknown endpoint", lambda: line(enterprise(dest_type="vm")), "unknown_endpoint", "dest_type"),
    ("year 2100", lambda: line(enterprise(start_time=4_102_444_800, end_time=4_102_444_815)), "bad_time", "start_time"),
    ("milliseconds", lambda: line(enterprise(start_time=START * 1000)), "bad_time", "start_time"),
    ("year 1970", lambda: line(enterprise(start_time=0)), "bad_time", "start_time"),
    ("end before start", lambda: line(enterprise(end_time=START - 1)), "bad_time", "end_time"),
    ("a month long", lambda: line(enterprise(end_time=START + 30 * 86_400)), "bad_time", "end_time"),
    ("no time", lambda: line(enterprise(start_time=...)), "missing_field", "start_time"),
    ("no action", lambda: line(enterprise(action=...)), "missing_field", "action"),
    ("empty workload name", lambda: line(enterprise(source_name_aggr="")), "empty_name", "source_name"),
    ("dash for a name", lambda: line(enterprise(source_name_aggr="-")), "empty_name", "source_name"),
    ("empty namespace", lambda: line(enterprise(source_namespace="")), "empty_name", "source_namespace"),
    ("slash in a name", lambda: line(enterprise(dest_name_aggr="a/b")), "bad_name", "dest_name_aggr"),
    ("line end in a name", lambda: line(enterprise(dest_name_aggr="a\nb")), "bad_name", "dest_name_aggr"),
    ("slash in the cluster", lambda: line(enterprise(cluster="a/b")), "bad_name", "cluster"),
    ("endless name", lambda: line(enterprise(source_namespace="n" * 300)), "bad_name", "source_namespace"),
    ("no address", lambda: line(enterprise(source_ip="10.0.0.256")), "bad_address", "source_ip"),
    ("goldmane: no reporter", lambda: line(goldmane(reporter=...)), "unknown_reporter", "reporter"),
    ("goldmane: action pass", lambda: line(goldmane(action=3)), "unknown_action", "action"),
    ("goldmane: no source type", lambda: line(goldmane(source_type=...)), "unknown_endpoint", "source_type"),
    ("goldmane: no time", lambda: line(goldmane(start_time=...)), "missing_field", "start_time"),
    ("goldmane: negative", lambda: line(goldmane(bytes_in="-5")), "bad_number", "bytes_in"),
    ("goldmane: no name", lambda: line(goldmane(source_name=...)), "empty_name", "source_name"),
    ("heartbeat of nobody", lambda: b'{"heartbeat":{"host":"","event_time":1699375160}}', "empty_name", "heartbeat"),
    ("heartbeat of the future", lambda: b'{"heartbeat":{"host":"n","event_time":1e11}}', "bad_time", "heartbeat"),
    ("heartbeat cut short", lambda: b'{"heartbeat":{"host":"n"', "not_json", "line"),
]


@pytest.mark.parametrize(("make", "reason", "field"), [row[1:] for row in HOSTILE], ids=[row[0] for row in HOSTILE])
def test_hostile_line_has_its_reason(make: Callable[[], bytes], reason: str, field: str) -> None:
    """Reason and field are stable, the message is short."""
    with pytest.raises(MalformedRecord) as caught:
        decode(make(), cluster="c", host="")
    assert (caught.value.reason, caught.value.field[: len(field)]) == (reason, field)
    assert len(str(caught.value)) < 500


def test_good_neighbours_of_hostile_lines_are_all_read() -> None:
    """Between any two bad lines a good one is a flow."""
    found = [reason_of(value) for _, make, _, _ in HOSTILE for value in (make(), line(enterprise()))]
    assert found == [word for _, _, reason, _ in HOSTILE for word in (reason, "")]
