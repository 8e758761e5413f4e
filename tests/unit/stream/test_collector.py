"""The garbage collector of the stream."""

from __future__ import annotations

import gc

from baseline.stream import collector


def test_the_collector_is_told_once_and_can_be_told_again() -> None:
    """Thresholds are ours afterwards, and what was there is frozen."""
    before = gc.get_threshold()
    try:
        collector.settle()
        assert gc.get_threshold() == collector.THRESHOLDS
        assert gc.get_freeze_count() > 0
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
