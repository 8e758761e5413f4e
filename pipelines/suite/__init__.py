"""The evaluation suite: every protocol on real data, one figure a line, each held against its gate and its goal."""
