# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
# ---

# %% [markdown]
# # What does a brute force look like in one minute of flow logs, and does the baseline see it?
#
# The demo's recording is real traffic of twelve devices of a test plant with real SSH brute forces and port scans,
# converted to flow logs of 15 seconds (docs/recording.md). A flow log holds no password and no payload: who talked
# with whom, how many connections, packets and bytes.
#
# Labels are used for two things here: to know which minute to look at, and to compare at the end. Nothing that is
# learned or judged sees them.

# %%
import gzip
import os
from importlib import resources
from pathlib import Path

import numpy as np
import pandas as pd

from baseline.domain.edge import Direction
from baseline.domain.flow import Flow
from baseline.domain.units import rfc3339
from baseline.features import extract, schema
from baseline.features.windows import Windower
from baseline.formats import decode
from baseline.services import outcome
from baseline.services.evaluate import Plan, run
from baseline.services.score import JudgeOptions
from baseline.services.train import Recipe

pd.set_option("display.width", 120, "display.max_columns", 12, "display.max_colwidth", 90)
shipped = Path(str(resources.files("baseline"))) / "recordings"
recording = Path(os.environ.get("NOTEBOOK_RECORDING", shipped / "westermo.jsonl.gz"))  # any part of it will do

# %%
with gzip.open(recording) if recording.suffix == ".gz" else recording.open("rb") as lines:
    nouns = [decode(line, cluster="plant") for line in lines]
flows = sorted((noun for noun in nouns if isinstance(noun, Flow)), key=lambda flow: flow.end)
first, last = flows[0].start, flows[-1].end
middle = (first + last) // 2 // 60 * 60
with (shipped / "westermo.labels.csv").open(encoding="utf-8", newline="") as rows:
    labels = outcome.read_labels(rows)
attacks = [label for label in labels if label.label == "ssh-bruteforce" and middle <= label.start and label.end < last]
print(f"{len(flows)} records from {rfc3339(first)} to {rfc3339(last)}, {len(attacks)} brute forces in the second half")

# %% [markdown]
# ## One attacked minute beside the same workload's other minutes
#
# Windows of 60 seconds, as the stream makes them. The attacked minute is the first whole one of the first brute force
# of the second half; the ordinary minutes are those of the same workload that no label touches.

# %%
windower = Windower()
for flow in flows:
    windower.add_flow(flow, received_at=flow.end)
attack = attacks[0]
minutes = [window for window in windower.finish() if window.horizon_s == 60 and str(window.workload) == attack.workload]
attacked = next(window for window in minutes if window.start >= attack.start)
ordinary = [
    window for window in minutes if not outcome.windows_in_events(window.workload, window.start, window.end, labels)
]
print(f"{attack.workload} at {rfc3339(attacked.start)}, beside {len(ordinary)} ordinary minutes")

# %%
usual = np.median([extract.vector(window) for window in ordinary], axis=0)
seen = extract.vector(attacked)
features = pd.DataFrame(
    {
        "counted": [feature.words for feature in schema.FEATURES],
        "ordinary": [schema.natural(one, value) for one, value in zip(schema.FEATURES, usual, strict=True)],
        "attacked": [schema.natural(one, value) for one, value in zip(schema.FEATURES, seen, strict=True)],
        "log difference": seen - usual,
    },
    index=list(schema.NAMES),
)
features = features.sort_values("log difference", key=np.abs, ascending=False)
print(features.head(8).round(1).to_string())

# %% [markdown]
# The minute's edges, largest number of new connections first: one peer takes nearly all of them.

# %%
edges = pd.DataFrame(
    [
        {
            "peer": str(key.peer),
            "protocol": key.protocol,
            "connections started": counts.started,
            "packets out": counts.packets_out,
            "bytes out": counts.bytes_out,
        }
        for key, counts in attacked.edges.items()
        if key.direction is Direction.EGRESS
    ]
).sort_values("connections started", ascending=False)
print(edges.head(5).to_string(index=False))

# %% [markdown]
# ## Does the baseline see it?
#
# The product's own evaluation: learn from the first half, in which the same attacks lie unlabelled, then judge the
# second half window by window. Forty-five minutes are no baseline; they are taken for one here (`is_mature`).

# %%
recipe = Recipe(is_mature=True)
plan = Plan(fit_until=middle, recipe=recipe, judging=JudgeOptions(horizons_s=recipe.horizons_s))
course = run(flows, plan)
compared = outcome.compare(course.deviations, attacks, since=middle, until=last)
told = next((one for one in course.deviations if one.window_start < attack.end and one.window_end > attack.start), None)
if told is not None:
    print(f"p = {told.p:.1e}, alert threshold {told.threshold:.1e}, {rfc3339(told.window_start)}, because:")
    for reason in told.reasons[:3]:
        print(f"  {reason.sentence}")
found = pd.DataFrame(
    [
        {
            "brute force": rfc3339(finding.label.start),
            "lasted s": finding.label.end - finding.label.start,
            "seen after s": finding.delay_s,
        }
        for finding in compared.findings
    ]
)
print(found.round(0).to_string(index=False))

# %% [markdown]
# ## Answer

# %%
most = edges.iloc[0]
usually = features.loc["connections_out", "ordinary"]
print(
    f"A minute of brute force is {most['connections started']} connections to {most['peer']} where a minute without a "
    f"label has {usually:.0f} in all."
)
print(
    f"The baseline saw {compared.found} of {len(compared.findings)} brute forces of the half it had not learned"
    + (f", {np.median(compared.delays()):.0f} s after their start (median)." if compared.found else ".")
)
