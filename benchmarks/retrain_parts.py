"""CPU seconds of one retrain, by part: the parts' own functions are watched while the whole runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import wraps
from typing import Any
from unittest import mock

from baseline.detectors import calibrate, codec, fit, level, neighbours, seasonal
from baseline.detectors.edges import Edges
from baseline.detectors.forest import Forest
from baseline.services import train

PARTS: tuple[tuple[str, Any, str], ...] = (
    ("rows", train, "rows_of"),
    ("rows", train, "data_hash"),
    ("seasonal", seasonal, "fit"),
    ("level", level, "trace"),
    ("level", level, "first_day"),
    ("level", seasonal, "followed"),
    ("residuals", seasonal, "residuals"),
    ("odd rows", fit, "_ordinary"),
    ("neighbours", neighbours, "fit"),
    ("neighbours", neighbours, "scores"),
    ("forest, fit", Forest, "fit"),
    ("forest, score", Forest, "score"),
    ("calibration", calibrate, "fit"),
    ("calibration", calibrate, "p_values"),
    ("edges", Edges, "fit"),
    ("edges", train, "fleet_arrays"),
    ("encode", codec, "encode"),
)
NAMES = tuple(dict.fromkeys(name for name, _, _ in PARTS))
REST = "the rest"


@dataclass(slots=True)
class Clock:
    """Seconds of CPU by part; a part inside another one counts for itself alone."""

    spent: dict[str, float] = field(default_factory=lambda: dict.fromkeys((*NAMES, REST), 0.0))
    _open: list[str] = field(default_factory=lambda: [REST])
    _since: float = 0.0

    def start(self) -> None:
        """From now on."""
        self._since = time.process_time()

    def stop(self) -> float:
        """Until now; the sum of all parts."""
        self._charge()
        return sum(self.spent.values())

    @contextmanager
    def during(self, name: str) -> Iterator[None]:
        """What happens inside is this part's."""
        self._charge()
        self._open.append(name)
        try:
            yield
        finally:
            self._charge()
            self._open.pop()

    def _charge(self) -> None:
        now = time.process_time()
        self.spent[self._open[-1]] += now - self._since
        self._since = now


@contextmanager
def watched(clock: Clock) -> Iterator[None]:
    """The parts tell the clock when they begin and end."""
    with ExitStack() as stack:
        for name, owner, attribute in PARTS:
            stack.enter_context(mock.patch.object(owner, attribute, _timed(getattr(owner, attribute), name, clock)))
        yield


def _timed(call: Callable[..., Any], name: str, clock: Clock) -> Callable[..., Any]:
    @wraps(call)
    def timed(*args: Any, **options: Any) -> Any:  # noqa: ANN401 -- whatever the part takes and gives
        with clock.during(name):
            return call(*args, **options)

    return timed
