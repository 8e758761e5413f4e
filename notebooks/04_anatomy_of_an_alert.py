# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
# ---

# %% [markdown]
# # What is inside an alert, and does every part of it hold?
#
# The shipped recording again (docs/recording.md): learn the first half, judge the second, and take one scan apart. An
# alert makes claims: a p-value, shares, a counterfactual, a technique. Each is checked here by something else than what
# made it.

# %%
import gzip
import importlib.util
import os
from dataclasses import replace
from importlib import resources
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.ensemble import IsolationForest

from baseline.detectors import attribution, combine, forest_kernel, forest_layout
from baseline.detectors.protocol import Rows
from baseline.domain.flow import Flow
from baseline.domain.units import rfc3339
from baseline.features import calendar, schema
from baseline.formats import decode
from baseline.services import outcome
from baseline.services.evaluate import Plan, run
from baseline.services.score import JudgeOptions
from baseline.services.train import Recipe
from baseline.services.triage import flows as told_flows

pd.set_option("display.width", 120, "display.max_columns", 12, "display.max_colwidth", 90)
shipped = Path(str(resources.files("baseline"))) / "recordings"
recording = Path(os.environ.get("NOTEBOOK_RECORDING", shipped / "westermo.jsonl.gz"))  # any part of it will do

# %%
with gzip.open(recording) if recording.suffix == ".gz" else recording.open("rb") as lines:
    nouns = [decode(line, cluster="plant") for line in lines]
flows = sorted((noun for noun in nouns if isinstance(noun, Flow)), key=lambda flow: flow.end)
middle = (flows[0].start + flows[-1].end) // 2 // 60 * 60
recipe = Recipe(horizons_s=(60,), is_mature=True)
plan = Plan(fit_until=middle, recipe=recipe, judging=JudgeOptions(horizons_s=(60,)))
course = run(flows, plan)
with (shipped / "westermo.labels.csv").open(encoding="utf-8", newline="") as rows:
    labels = outcome.read_labels(rows)
scans = [label for label in labels if label.label.startswith("port-scan")]
during = [
    one for one in course.deviations if outcome.windows_in_events(one.workload, one.window_start, one.window_end, scans)
]
assert course.model is not None
print(f"{len(course.deviations)} deviating minutes in the second half, {len(during)} of them during a port scan")

# %% [markdown]
# ## One scan, as a person reads it
#
# What is asked first, growth or attack; then the reasons: amounts beside what is expected at this hour, each with its
# share of the combined evidence; what would have been normal, what it looks like, and the flows behind it.

# %%
scan = min(during or course.deviations, key=lambda one: one.p)
means = scan.explanation
print(f"{rfc3339(scan.window_start)}  {scan.workload}  p = {scan.p:.1e}, threshold {scan.threshold:.1e}")
print(means.rise.sentence if means.rise else "nothing is up")
for reason in scan.reasons:
    print(f"  {reason.share:4.0%}  {reason.sentence}")
for counterfactual in means.counterfactuals:
    print(f"  {counterfactual.sentence}")
for hint in means.techniques:
    print(f"  {hint.sentence} ({hint.id} {hint.name}, {hint.confidence}: {hint.rule})")
for evidence in scan.edges[:3]:
    print(f"  {evidence.edge}: {told_flows(evidence)}")

# %% [markdown]
# ## Do the shares add up?
#
# Each voice has a p of its own; the combined number is taken apart by Shapley's value, so the shares of all voices sum
# to one, and through the voices those of all features.

# %%
voices = pd.DataFrame({"p": dict(scan.voices), "share": dict(means.voice_shares)}).fillna({"share": 0.0})
print(voices.sort_values("share", ascending=False).to_string(float_format="{:.2g}".format))
vector = next(
    v for window, _, v in course.scored if (window.workload, window.start) == (scan.workload, scan.window_start)
)
start = np.array([scan.window_start])
nothing = np.zeros(1, dtype=np.int64)
row = Rows(
    schema=schema.PRODUCT, workloads=np.array([course.model.line(scan.workload)]), starts=start,
    slots=calendar.slots(start), days=calendar.days(start), values=vector[None, :],
    residuals=np.zeros((0, schema.WIDTH)), fresh=np.array([sum(one.is_new for one in scan.edges)]), fresh_peers=nothing,
)  # fmt: skip
arrays = course.model.horizons[60]
shares = attribution.of_row(arrays, combine.residual_rows(arrays, row), dict(scan.voices))
whole = float(shares.features.sum()) + shares.new_edges
print(f"all features and new edges together: {whole:.6f}")

# %% [markdown]
# ## Is the counterfactual true?
#
# The window is judged again with nothing changed but what the counterfactual names: at its values it has to be normal.

# %%
(first, *_) = means.counterfactuals


def judged_with(features: tuple[str, ...], values: tuple[float, ...]) -> float:
    """p of the scan's minute with these features at these values, in natural units."""
    changed, fresh = vector.copy(), row.fresh
    for name, value in zip(features, values, strict=True):
        if name == "new_edge":
            fresh = np.array([int(value)])
            continue
        feature = schema.FEATURES[schema.INDEX[name]]
        is_ratio = feature.measure is schema.Measure.RATIO
        is_share = feature.measure is schema.Measure.SHARE
        scaled = (
            np.log(value) if is_ratio else schema.SHARE_SCALE * value if is_share else np.log1p(value / feature.unit)
        )
        changed[schema.INDEX[name]] = scaled
    return float(combine.judge(arrays, replace(row, values=changed[None, :], fresh=fresh)).p[0])


as_it_was, as_told = judged_with((), ()), judged_with(first.features, first.values)
print(f"as it was: p = {as_it_was:.1e}; with {', '.join(first.features) or 'nothing'} as told: p = {as_told:.1e}")
print(f"threshold: {scan.threshold:.1e}")

# %% [markdown]
# ## Does the forest blame what SHAP blames?
#
# The forest's share goes to features by the cuts on a row's paths. SHAP's TreeExplainer computes Shapley values of the
# expected path length, much more slowly. A forest is grown on the vectors of the judged half, and the oddest tenth
# of its rows is explained both ways. (Skipped where `shap` is not installed: the product does not need it.)

# %%
known = np.stack([one for _, _, one in course.scored])
spread = np.maximum(np.median(np.abs(known - np.median(known, axis=0)), axis=0), 0.1)
points = np.clip((known - np.median(known, axis=0)) / spread, -15, 15).astype(np.float32).astype(np.float64)
forest = IsolationForest(n_estimators=100, max_samples=256, random_state=1).fit(points)
packed = forest_layout.joined([forest_layout.packed(forest)], np.array([0]))
oddest = points[np.argsort(forest.score_samples(points))[: max(20, len(points) // 10)]]
by_path = np.maximum(forest_kernel.credit(packed, np.zeros(len(oddest), dtype=np.int64), oddest), 0.0)
agreement, correlation = float("nan"), float("nan")
if importlib.util.find_spec("shap"):
    import shap

    by_shap = np.maximum(-shap.TreeExplainer(forest).shap_values(oddest), 0.0)  # shorter paths are odder
    agreement = float((by_path.argmax(axis=1) == by_shap.argmax(axis=1)).mean())
    pairs = zip(by_path, by_shap, strict=True)
    correlation = float(np.mean([np.corrcoef(ours, theirs)[0, 1] for ours, theirs in pairs]))
    names = [schema.NAMES[column] for column in np.argsort(-by_shap.mean(axis=0))[:5]]
    means_of = {
        "paths": by_path / by_path.sum(axis=1, keepdims=True),
        "shap": by_shap / by_shap.sum(axis=1, keepdims=True),
    }
    compared = {name: pd.Series(part.mean(axis=0), index=list(schema.NAMES)) for name, part in means_of.items()}
    print(pd.DataFrame(compared).loc[names].round(3).to_string())
    print(f"{len(oddest)} rows: correlation {correlation:.2f}, the same first feature in {agreement:.0%}")
else:
    print("shap is not installed: nothing to compare with")

# %% [markdown]
# ## Answer

# %%
print(
    f"An alert holds a sentence, {len(scan.reasons)} reasons, {len(voices)} voices, {len(means.counterfactuals)} "
    f"counterfactuals, {len(means.techniques)} hints and {len(scan.edges)} edges."
)
print(
    f"Its shares sum to {whole:.3f}; judged again as its counterfactual says, p goes from {as_it_was:.0e} to "
    f"{as_told:.0e} with a threshold of {scan.threshold:.0e}."
)
print(
    f"Path attribution and SHAP correlate by {correlation:.2f}."
    if np.isfinite(correlation)
    else "Path attribution was not compared: shap is not installed."
)
