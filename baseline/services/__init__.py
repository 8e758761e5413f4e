"""Use cases: plain functions over ports. No I/O of their own, no clock: now, seed and new_id are arguments."""
