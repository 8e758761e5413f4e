"""Python's garbage collector, told what this process is like.

A stream makes millions of small objects that die by reference counting, and keeps many that live for minutes. The
default thresholds walk the living ones again and again: a third of the CPU (docs/benchmarks.md).
"""

from __future__ import annotations

import gc

THRESHOLDS = (50_000, 20, 50)  # measured: as fast as no collector at all, in the same memory


def settle() -> None:
    """Once, before the loop begins: what the imports made is never walked again, and collections come seldom."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
