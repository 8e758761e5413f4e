"""Speed and memory as ratios against a named peer in the same run. Absolute times on a shared machine mean nothing."""
