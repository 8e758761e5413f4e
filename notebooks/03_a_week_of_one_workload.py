# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
# ---

# %% [markdown]
# # What does the baseline expect of one workload over a week, and what does it tell of it?
#
# A *simulated* shop, from a seed: a front end that five clients call, its database, and a nightly export. Two weeks
# are learned, the third is judged in windows of five minutes, as the stream would. Four things happen in the third
# week that did not happen before, and one that happens every night.

# %%
import math
from collections.abc import Iterator

import numpy as np
import pandas as pd

from baseline.detectors import seasonal
from baseline.detectors.combine import under
from baseline.domain.edge import Direction, EdgeKey, Peer, PeerKind
from baseline.domain.units import HOUR_S, WEEK_S, rfc3339
from baseline.domain.window import EdgeCounts, Window
from baseline.domain.workload import WorkloadId
from baseline.features import calendar, schema
from baseline.services.evaluate import Course, Plan, run_windows
from baseline.services.score import JudgeOptions
from baseline.services.train import Recipe

pd.set_option("display.width", 120, "display.max_columns", 16, "display.max_colwidth", 100)
MONDAY = 1_767_571_200  # 2026-01-05T00:00:00Z
STEP = 300
TEST = MONDAY + 2 * WEEK_S
rng = np.random.default_rng(11)

# %% [markdown]
# ## Three weeks
#
# Clients have shares of their own in what the front end is called, which follow the day and the week. At two in the
# morning, for a quarter of an hour, it sends an export of 600 MB to a bucket outside.
#
# In the third week: on Tuesday at 03 h somebody on the front end tries 40 ports of the database; on Thursday afternoon
# a campaign multiplies what all clients do by six; on Friday afternoon one client alone does five times as much as all
# of them; on Saturday 400 MB go to an address nobody has seen.

# %%
CLIENTS = {"web": 0.4, "app": 0.25, "partner": 0.15, "kiosk": 0.12, "batch": 0.08}
FRONT, DB, BUCKET = WorkloadId("c", "shop", "front"), Peer(PeerKind.WORKLOAD, "shop", "db"), "198.51.100.20"
HOURS_IN = {"scan": 24 + 3, "campaign": 3 * 24 + 14, "one client": 4 * 24 + 15, "upload": 5 * 24 + 4}
HAPPENED = {what: TEST + hour * HOUR_S for what, hour in HOURS_IN.items()}


def called_per_minute(at: int) -> float:
    """Calls in a minute, on average, at a time."""
    hour, weekday = at // HOUR_S % 24, (at // 86_400 + 3) % 7
    day = math.exp(-(((hour + at % HOUR_S / HOUR_S - 13.5) / 4) ** 2))
    return 6 + 60 * day * (0.3 if weekday >= 5 else 1.0)


def counted(connections: int, at: int, *, sent: float = 900, received: float = 400, failed: int = 0) -> EdgeCounts:
    """An edge's counts, bytes for each connection."""
    return EdgeCounts(
        records=1, flows=connections, started=connections, completed=connections, packets_in=4 * connections,
        packets_out=4 * connections, bytes_in=int(received * connections), bytes_out=int(sent * connections),
        attempts=failed, largest_bytes_out=int(sent), first_seen=at + 5.0, last_seen=at + STEP - 5.0,
    )  # fmt: skip


def within(what: str, at: int, *, minutes: int = 60) -> bool:
    """Whether it happens at a time."""
    return HAPPENED[what] <= at < HAPPENED[what] + 60 * minutes


def front(at: int) -> Window:
    """What the front end does in a window."""
    calls = {name: int(rng.poisson(share * 5 * called_per_minute(at))) for name, share in CLIENTS.items()}
    if within("campaign", at, minutes=120):
        calls = {name: 6 * count for name, count in calls.items()}
    if within("one client", at):
        calls["partner"] += 5 * sum(calls.values())
    edges = {
        EdgeKey(Direction.INGRESS, Peer(PeerKind.WORKLOAD, "shop", name), 8080, "tcp"): counted(count, at, sent=9000)
        for name, count in calls.items()
        if count
    }
    edges[EdgeKey(Direction.EGRESS, DB, 5432, "tcp")] = counted(max(1, sum(calls.values()) // 3), at)
    if at % 86_400 // STEP in (24, 25, 26):  # two in the morning, fifteen minutes
        edges[EdgeKey(Direction.EGRESS, Peer(PeerKind.ADDRESS, "", BUCKET), 443, "tcp")] = counted(4, at, sent=5e7)
    if within("scan", at, minutes=10):
        edges |= {
            EdgeKey(Direction.EGRESS, DB, port, "tcp"): counted(1, at, sent=60, failed=1) for port in range(7000, 7040)
        }
    if within("upload", at, minutes=20):
        leak = Peer(PeerKind.ADDRESS, "", "203.0.113.66")
        edges[EdgeKey(Direction.EGRESS, leak, 443, "tcp")] = counted(2, at, sent=5e7, received=4000)
    return Window(workload=FRONT, start=at, end=at + STEP, edges=edges)


def weeks() -> Iterator[list[Window]]:
    """All windows of five minutes, in order."""
    for at in range(MONDAY, TEST + WEEK_S, STEP):
        yield [front(at)]


# %%
recipe = Recipe(horizons_s=(STEP,), is_mature=True)
plan = Plan(fit_until=TEST, recipe=recipe, judging=JudgeOptions(horizons_s=(STEP,), alerts_per_week=1.0))
course = run_windows(weeks(), plan, course=Course(), facts=dict)
assert course.model is not None
print(f"{course.learned_windows} windows learned, {len(course.scored)} judged, set {course.model.id}")

# %% [markdown]
# ## What is expected, hour by hour
#
# For each hour of the week the baseline has a centre and a scale, shrunk to the hour of the day and to all hours as far
# as it has seen too little of its own, and a *ceiling*: what came back at this hour on other days. The export lasts a
# quarter of an hour and never moves a median; the ceiling knows it.

# %%
tables = under(course.model.horizons[STEP], "seasonal")
week = np.arange(calendar.SLOTS)
centre, scale, ceiling = seasonal.expected(tables, np.zeros(len(week), dtype=np.int64), week)
called, sent = schema.INDEX["connections_in"], schema.INDEX["external_bytes_out"]


def natural(name: str, values: np.ndarray) -> list[float]:
    """In calls and bytes."""
    return [schema.natural(schema.FEATURES[schema.INDEX[name]], value) for value in values]


expected = pd.DataFrame(
    {
        "calls usual": natural("connections_in", centre[:, called]),
        "calls up to": natural("connections_in", centre[:, called] + 2 * scale[:, called]),
        "MB outside usual": np.array(natural("external_bytes_out", centre[:, sent])) / 1e6,
        "MB outside up to": np.array(natural("external_bytes_out", np.maximum(centre[:, sent], ceiling[:, sent])))
        / 1e6,
    },
    index=[calendar.words(slot) for slot in week],
)
print(expected.iloc[[24 + 2, 24 + 8, 24 + 14, 24 + 20, 120 + 2, 120 + 14]].round(0).to_string())

# %% [markdown]
# ## The judged week
#
# One line a day: the smallest p of its windows, beside the threshold that a budget of one alert a week leaves.

# %%
alpha = plan.judging.alpha(STEP)
days = pd.DataFrame(
    {
        "day": [calendar.DAYS[(window.start - TEST) // 86_400] for window, _, _ in course.scored],
        "p": [p for _, p, _ in course.scored],
    }
)
smallest = days.groupby("day", sort=False)["p"].agg(["min", lambda p: int((p < alpha).sum())])
smallest.columns = ["smallest p", f"windows below {alpha:.0e}"]
print(smallest.to_string(float_format="{:.1e}".format))

# %%
alerts = sorted(course.alerts.values(), key=lambda alert: alert.opened_at)
for alert in alerts:
    told = alert.explanation
    print(f"{rfc3339(alert.window_start)}  {alert.sentence}")
    for line in (told.rise.sentence if told.rise else "nothing is up", *(hint.sentence for hint in told.techniques)):
        print(f"    {line}")

# %% [markdown]
# ## Answer

# %%
found = {
    what: next((alert for alert in alerts if at <= alert.window_start < at + 2 * HOUR_S), None)
    for what, at in HAPPENED.items()
}
exports = [alert for alert in alerts if alert.window_start % 86_400 // HOUR_S == 2]
spread = {
    what: alert.explanation.rise.spread.value if alert and alert.explanation.rise else "-"
    for what, alert in found.items()
}
print(
    f"It expects {expected['calls usual'].max():.0f} calls in five minutes at the busiest hour and "
    f"{expected['calls usual'].min():.0f} at the quietest, and an export at two in the morning: "
    f"{len(exports)} alerts for it."
)
print(
    f"It told {len(alerts)} times in the week. Of {len(found)} things that happened it saw "
    f"{sum(alert is not None for alert in found.values())}; the campaign is {spread['campaign']}, the one client "
    f"{spread['one client']}."
)
