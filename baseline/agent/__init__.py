"""The node's process: read flow logs, key them by workload, produce them, remember the position."""
