"""Rules that look at a sequence of windows: scan (trw), beacon, slow exfiltration (cusum), runs that did not come.

Plain, exact and testable. Each keeps a small state of one workload that is brought forward by closed windows only, is
bounded, and is spelled as plain lists of numbers and text for the checkpoint. None of them knows of alerts or models.
"""
