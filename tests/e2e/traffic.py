"""Flow logs of a small invented shop, as two nodes' Felix would have written them around the present.

Twelve workloads in two namespaces call each other at their own steady rates; both ends report, as real nodes do.
Everything is drawn from a seed. Attacks are what a person would call one: a workload that tries ssh on a database it
never spoke to on that port, hundreds of times a minute.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

SHOP, LEDGER = "market", "ledger"  # names of no other test: the API server is shared
NAMESPACES = (SHOP, LEDGER)
EXPORT_S = 60
SSH = 22


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One edge: who calls whom on which port, how often a minute, and how many bytes an answer has."""

    source: str  # namespace/name
    dest: str
    port: int
    a_minute: float
    answer: int = 2_000
    is_answered: bool = True


NORMAL = (
    Call(source="market/frontend", dest="market/catalog", port=8080, a_minute=60, answer=9_000),
    Call(source="market/frontend", dest="market/cart", port=8081, a_minute=40),
    Call(source="market/frontend", dest="market/checkout", port=8082, a_minute=15),
    Call(source="market/catalog", dest="market/catalog-db", port=5432, a_minute=45),
    Call(source="market/cart", dest="market/cart-db", port=6379, a_minute=60, answer=600),
    Call(source="market/checkout", dest="ledger/payments", port=9000, a_minute=15),
    Call(source="market/checkout", dest="market/mailer", port=8025, a_minute=8),
    Call(source="market/reviews", dest="market/catalog", port=8080, a_minute=20, answer=5_000),
    Call(source="ledger/payments", dest="ledger/payments-db", port=5432, a_minute=30),
    Call(source="ledger/payments", dest="ledger/fraud", port=9100, a_minute=15),
    Call(source="ledger/reports", dest="ledger/payments-db", port=5432, a_minute=10, answer=20_000),
)
WORKLOADS = tuple(sorted({end for call in NORMAL for end in (call.source, call.dest)}))
VICTIM = "ledger/payments-db"
ATTACKERS = ("ledger/reports", "market/cart", "market/reviews")


def attack(attacker: str) -> Call:
    """Ssh, unanswered, many times a minute, on a database that nobody ever spoke to on that port."""
    return Call(source=attacker, dest=VICTIM, port=SSH, a_minute=400, is_answered=False)


def minutes(
    *, start: int, end: int, seed: int, attackers: Sequence[str] = (), attack_from: int | None = None
) -> Iterator[bytes]:
    """Lines of [start, end), whole minutes since the epoch's start; attacks last from ``attack_from`` to the end."""
    rng = random.Random(seed)
    attacks = tuple(attack(attacker) for attacker in attackers)
    for minute in range(start, end, EXPORT_S):
        is_attacked = attack_from is not None and minute >= attack_from
        for call in (*NORMAL, *(attacks if is_attacked else ())):
            connections = round(rng.gauss(call.a_minute, call.a_minute**0.5))
            if connections > 0:
                yield from _both_ends(call, minute, connections, rng)


def write(path: Path, lines: Iterable[bytes]) -> Path:
    """Store a recording; the path again."""
    with path.open("wb") as file:
        file.writelines(lines)
    return path


def _both_ends(call: Call, start: int, connections: int, rng: random.Random) -> Iterator[bytes]:
    answer = round(connections * call.answer * rng.uniform(0.9, 1.1)) if call.is_answered else 0
    for reporter in ("src", "dst"):
        record = {
            "start_time": start, "end_time": start + EXPORT_S, "source_ip": None, "source_name": "-",
            "source_port": None, **_end("source", call.source), "dest_ip": None, "dest_name": "-",
            "dest_port": call.port, **_end("dest", call.dest), "dest_service_namespace": "-",
            "dest_service_name": "-", "dest_service_port": "-", "dest_service_port_num": None, "dest_domains": None,
            "proto": "tcp", "action": "allow", "reporter": reporter,
            "policies": {"all_policies": [f"0|__PROFILE__|__PROFILE__.kns.{_parts(call.source)[0]}|allow|0"]},
            "bytes_in": answer, "bytes_out": connections * (400 if call.is_answered else 60),
            "packets_in": connections * 5 if call.is_answered else 0,
            "packets_out": connections * (6 if call.is_answered else 1),
            "num_flows": connections, "num_flows_started": connections, "num_flows_completed": connections,
            "http_requests_allowed_in": 0, "http_requests_denied_in": 0,
            "host": _host(call.source if reporter == "src" else call.dest),
        }  # fmt: skip
        yield json.dumps(record, separators=(",", ":")).encode() + b"\n"


def _end(side: str, workload: str) -> dict[str, object]:
    namespace, name = _parts(workload)
    return {
        f"{side}_name_aggr": f"{name}-755cdc7957-*",
        f"{side}_namespace": namespace,
        f"{side}_type": "wep",
        f"{side}_labels": {"labels": [f"app={name}", "pod-template-hash=755cdc7957"]},
    }


def _host(workload: str) -> str:
    """Each namespace has its node."""
    return f"node-{_parts(workload)[0]}"


def _parts(workload: str) -> tuple[str, str]:
    namespace, _, name = workload.partition("/")
    return namespace, name
