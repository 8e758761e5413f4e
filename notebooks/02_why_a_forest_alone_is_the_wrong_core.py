# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
# ---

# %% [markdown]
# # Why is an isolation forest alone the wrong core?
#
# An isolation forest is the first thing one reaches for: it needs no labels, is quick, and comes with scikit-learn.
# Two experiments show what it does not see, and what has to stand around it. All data here is *simulated*, from a
# seed: five workloads with a day, a week and levels of their own, and attacks planted into hours nobody learned from.

# %%
import numpy as np
import pandas as pd
from sklearn.ensemble import IsolationForest

from baseline.detectors import combine
from baseline.detectors.fit import fit_horizon
from baseline.detectors.forest import Forest
from baseline.detectors.protocol import Rows
from baseline.detectors.tail import Tail
from baseline.features import calendar, schema

pd.set_option("display.width", 120, "display.max_columns", 12)
SEED = 7

# %% [markdown]
# ## How far is far?
#
# A forest is grown on 20 features of ordinary noise. Then one feature of an ordinary row is set to 3, 6, 12, 100 and
# 1,000 standard deviations. Every cut lies inside the range that was learned, so beyond it all rows fall on the same
# side of every cut: an upload of a gigabyte and of a terabyte get the same score, and neither looks odd.

# %%
rng = np.random.default_rng(SEED)
known = rng.normal(size=(4000, 20))
plain = IsolationForest(n_estimators=100, max_samples=256, random_state=SEED).fit(known)
SIGMAS = (3, 6, 12, 100, 1000)
probes = np.zeros((len(SIGMAS), 20))
probes[:, 0] = SIGMAS
blind = pd.DataFrame(
    {"plain forest": -plain.score_samples(probes), "share of ordinary rows above": 0.0},
    index=[f"{s} sigma" for s in SIGMAS],
)
ordinary = -plain.score_samples(known)
blind["share of ordinary rows above"] = [(ordinary > value).mean() for value in blind["plain forest"]]
print(blind.round(3).to_string())

# %% [markdown]
# ## A week has a shape
#
# Five weeks of hours to learn from, two to judge. Features are the product's own: counts and bytes on a logarithmic
# scale, and ratios. Planted, each in 20 hours: an *upload* (half of what the busiest hour sends), a *scan* (tiny
# connections to many peers and ports) and *day at night* (an ordinary noon, at night).

# %%
KEPT = (
    "connections_out", "peers_out", "ports_out", "bytes_out_out", "bytes_in_out", "bytes_per_connection_out",
    "connections_per_peer_out", "upload_out",
)  # fmt: skip
SCHEMA = schema.PRODUCT.without(set(schema.NAMES) - set(KEPT))
MONDAY = 1_767_571_200
WORKLOADS, LEARNED, JUDGED = 5, 5 * 168, 2 * 168


def natural(hours: np.ndarray, level: float, *, rng: np.random.Generator) -> np.ndarray:
    """Connections, peers, ports, bytes out and in of each hour (n, 5)."""
    hour, weekday = hours % 24, hours // 24 % 7
    busy = 1.0 + 9.0 * np.exp(-(((hour - 13) / 4.0) ** 2)) * np.where(weekday >= 5, 0.25, 1.0)
    connections = rng.poisson(level * busy * np.exp(0.3 * rng.normal(size=len(hours)))) + 1.0
    peers = 1.0 + rng.poisson(np.sqrt(connections))
    sent = connections * 2_000 * np.exp(0.3 * rng.normal(size=len(hours)))
    received = 4 * sent * np.exp(0.2 * rng.normal(size=len(hours)))
    return np.stack([connections, peers, np.full(len(hours), 3.0), sent, received], axis=1)


def vector(amounts: np.ndarray) -> np.ndarray:
    """The features of amounts (n, 5), as the product scales them."""
    connections, peers, ports, sent, received = amounts.T
    pseudo, page = schema.PSEUDO, schema.BYTES_UNIT
    found = {
        "connections_out": np.log1p(connections),
        "peers_out": np.log1p(peers),
        "ports_out": np.log1p(ports),
        "bytes_out_out": np.log1p(sent / page),
        "bytes_in_out": np.log1p(received / page),
        "bytes_per_connection_out": np.log((sent + received + pseudo * 1000) / (connections + pseudo)),
        "connections_per_peer_out": np.log((connections + pseudo) / (peers + pseudo)),
        "upload_out": np.log((sent + pseudo * page) / (received + pseudo * page)),
    }
    return np.stack([found[name] for name in SCHEMA.names], axis=1)


def rows(values: np.ndarray, lines: np.ndarray, hours: np.ndarray) -> Rows:
    """As the detectors take them."""
    starts = MONDAY + 3600 * hours
    nothing = np.zeros(len(lines), dtype=np.int64)
    return Rows(
        schema=SCHEMA, workloads=lines, starts=starts, slots=calendar.slots(starts), days=calendar.days(starts),
        values=values, residuals=np.zeros((0, SCHEMA.width)), fresh=nothing, fresh_peers=nothing,
    )  # fmt: skip


# %%
hours = np.tile(np.arange(LEARNED + JUDGED), WORKLOADS)
lines = np.repeat(np.arange(WORKLOADS), LEARNED + JUDGED)
amounts = np.concatenate([natural(hours[lines == line], 20.0 * 2**line, rng=rng) for line in range(WORKLOADS)])
label = np.full(len(lines), "", dtype=object)
busiest = np.array([amounts[(lines == line) & (hours < LEARNED)].max(axis=0) for line in range(WORKLOADS)])
free = rng.permutation(np.flatnonzero(hours >= LEARNED))
night = free[(hours[free] % 24 <= 4)]
for at in free[:20]:
    label[at], amounts[at, 3] = "upload", amounts[at, 3] + 0.5 * busiest[lines[at], 3]
for at in free[20:40]:
    label[at] = "scan"
    tried = 0.25 * busiest[lines[at], 0]
    amounts[at] += tried, tried, 10, 50 * tried, 50 * tried
for at in night[label[night] == ""][:20]:
    label[at] = "day at night"
    noon = np.flatnonzero((lines == lines[at]) & (hours % 24 == 13) & (hours // 24 % 7 < 5) & (hours < LEARNED))
    amounts[at] = amounts[rng.choice(noon)]
values = vector(amounts)
is_learned = hours < LEARNED
learned, judged = (
    rows(values[is_learned], lines[is_learned], hours[is_learned]),
    rows(values[~is_learned], lines[~is_learned], hours[~is_learned]),
)
planted = label[~is_learned]
print(f"{len(learned)} hours learned, {len(judged)} judged, {np.count_nonzero(planted != '')} of them planted")

# %% [markdown]
# The same forest is asked three times: on raw features (one forest for each workload, as is usual), on raw features
# with a clock beside them, and on *residuals*: how many scales above the normal of this workload at this hour. Then the
# product's forest, which is grown with a tenth of uniform noise, and the tail: little but the largest residual.

# %%
arrays = fit_horizon(learned, lines=WORKLOADS, seed=SEED)
verdict = combine.judge(arrays, judged)
ready = combine.residual_rows(arrays, learned)


def forest(known: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Scores of a plain forest, higher is more unusual."""
    return -IsolationForest(n_estimators=100, max_samples=512, random_state=SEED).fit(known).score_samples(asked)


def each(known: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """A plain forest for each workload."""
    found = np.empty(len(asked))
    for line in range(WORKLOADS):
        found[judged.workloads == line] = forest(known[learned.workloads == line], asked[judged.workloads == line])
    return found


def clock(of: Rows) -> np.ndarray:
    """Raw features with the hour as a point on a circle, and whether it is a weekend."""
    angle = 2 * np.pi * (of.slots % 24) / 24
    return np.column_stack([of.values, np.sin(angle), np.cos(angle), of.slots >= 120])  # noqa: PD011 - Rows, no frame


voice = Forest()
with_residuals = combine.residual_rows(arrays, judged)
scores = {
    "plain forest, raw": each(learned.values, judged.values),
    "plain forest, raw and a clock": each(clock(learned), clock(judged)),
    "plain forest, residuals": forest(np.clip(ready.residuals, -15, 15), np.clip(verdict.residuals, -15, 15)),
    "forest with background, residuals": voice.score(voice.fit(ready, lines=WORKLOADS, seed=SEED), with_residuals),
    "tail: the largest residual": Tail().score(combine.under(arrays, "tail"), with_residuals),
    "all voices, one calibrated p": -np.log(verdict.p),
}

# %%
KINDS = ("upload", "scan", "day at night")
WEEKS = WORKLOADS * JUDGED / 168


def recall(score: np.ndarray, kind: str) -> float:
    """Of the planted hours of a kind, those above the threshold that one false alert a workload and week leaves."""
    quiet = np.sort(score[planted == ""])[::-1]
    return float((score[planted == kind] > quiet[int(WEEKS)]).mean())


def precision(score: np.ndarray) -> float:
    """Average precision over all planted hours."""
    order = np.argsort(-score, kind="stable")
    hit = (planted != "")[order]
    return float((np.cumsum(hit) / np.arange(1, len(hit) + 1))[hit].mean())


table = pd.DataFrame(
    {
        name: {"average precision": precision(score)} | {kind: recall(score, kind) for kind in KINDS}
        for name, score in scores.items()
    }
).T
print(f"base rate {np.mean(planted != ''):.3f}; recall at one false alert a workload and week")
print(table.round(2).to_string())

# %% [markdown]
# ## Answer

# %%
steps = blind["plain forest"].to_numpy()
raw, deseasonal, tail = (table["average precision"][name] for name in table.index[[0, 2, 4]])
print(
    f"It cannot tell how far: one of 20 features at {SIGMAS[0]} and at {SIGMAS[-1]} sigma score {steps[0]:.3f} and "
    f"{steps[-1]:.3f}."
)
print(
    f"And it does not know what hour it is: average precision {raw:.2f} on raw features, {deseasonal:.2f} on "
    f"residuals, {tail:.2f} for the largest residual alone. So it is one voice, on residuals, beside one that knows "
    "magnitude."
)
