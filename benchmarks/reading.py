"""What one reader found, and at what cost: passed from a child process to the benchmark as one line of JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

HORIZON_S = 300  # the windows that both sides close and that are compared
GRACE_S = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One run of one reader over the whole topic."""

    records: int
    cpu_s: float  # of the whole client process, all its threads, from connecting to the last record
    wall_s: float
    windows: int  # closed, of HORIZON_S, not empty
    edges: int  # distinct (peer, port, protocol) in them, summed over windows
    bytes_out: int  # in them
    other_windows: int = 0  # closed beside those: ours closes windows of 60 s, too
    rejected: int = 0

    @property
    def rate(self) -> float:
        """Records per CPU-second."""
        return self.records / self.cpu_s

    def to_json(self) -> str:
        """One line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: str) -> Reading:
        """The inverse of ``to_json``."""
        return cls(**json.loads(line))
