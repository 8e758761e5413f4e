"""The story: start, learn the first part of a recording, play the rest, let everything end, report."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from baseline.adapters.clock import PlayedClock, SystemClock
from baseline.agent.feed import FeedHooks
from baseline.demo import report, truth
from baseline.demo.broker import EmbeddedBroker
from baseline.demo.operator import Operator
from baseline.demo.player import Player
from baseline.demo.product import CONTROL_EVERY_S, Product, running, settings_in
from baseline.demo.source import Source, read, split
from baseline.demo.view import Scene
from baseline.domain.errors import Unavailable
from baseline.domain.modelset import Alias
from baseline.services import train
from baseline.services.signs import CURRENT_S
from baseline.wiring import agent as wired_agent
from baseline.wiring import cluster as wired_cluster
from baseline.wiring import stores as wired_stores

LEARN_WITHIN_S = 120.0  # of real time
STEP_S = 5.0  # of the recording's time
CATCH_UP_S = 10.0  # of real time, a step of the player waits for the stream at most
SIGN_S = CURRENT_S / 2  # of the recording's time, that the stream's last sign of life may be old
ENDING_STEP_S = 300.0  # of the recording's time, while what is left runs out
ENDING_STEPS = 24 * 12 + 2  # a day and a bit: the longest a restriction may live

Watch = Callable[[Scene], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """What to play."""

    folder: Path  # everything the demo writes
    recording: Path | None = None  # None: the shipped one
    events: Path | None = None  # its labels; None: the shipped ones for the shipped recording, else none
    is_clean: bool = False  # the shipped recording without its labelled attack flows
    learned: float = 0.5  # share of the recording that is learned
    speed: float = 150.0  # seconds of the recording a second, at most


def shipped(name: str) -> Path:
    """A file of the package's recordings."""
    return Path(str(files("baseline").joinpath("recordings", name)))


def run(options: DemoOptions, *, watch: Watch) -> dict[str, Any]:
    """Run the whole story; the report. ``watch`` is shown a scene several times a second."""
    began = time.monotonic()
    system = SystemClock()
    recording = options.recording or shipped("westermo-clean.jsonl.gz" if options.is_clean else "westermo.jsonl.gz")
    source = read(recording, learned=options.learned)
    first, rest = split(source, options.folder)
    clock = PlayedClock(source.start)
    with ExitStack() as stack:
        broker = stack.enter_context(EmbeddedBroker(options.folder / "broker.log", wait=system.wait))
        settings = settings_in(options.folder, bootstrap=broker.bootstrap)
        product = stack.enter_context(running(settings, clock, wait=system.wait))
        story = _Story(product, source, options, watch)
        stack.callback(story.close)
        story.learn(first)
        story.play(rest)
        story.end()
        return report.build(story.facts(), events=_events(options), seconds=time.monotonic() - began)


def _events(options: DemoOptions) -> list[truth.Event] | None:
    """What to compare with: nothing for an unlabelled recording; no attack for the clean one."""
    if options.is_clean:
        return []
    labels = options.events or (shipped("westermo.events.csv") if options.recording is None else None)
    return truth.read_events(labels) if labels else None


class _Story:
    """The demo's acts, in order."""

    def __init__(self, product: Product, source: Source, options: DemoOptions, watch: Watch) -> None:
        self._product = product
        self._source = source
        self._options = options
        self._watch = watch
        self._system = SystemClock()
        self._operator = Operator(product.url, product.token)
        self._player = Player(wired_cluster.cluster(product.settings, product.clock))
        self._library = self._open_library()
        self._phase = "learning"
        self._trained: dict[str, Any] = {}
        self._drawn = (0.0, 0.0)  # monotonic time and records of the last scene: what flows/s is measured by

    def _open_library(self) -> Any:  # noqa: ANN401 - see close
        self._stack = ExitStack()
        return self._stack.enter_context(wired_stores.library(self._product.settings))

    def close(self) -> None:
        """Let connections go."""
        self._operator.close()
        self._stack.close()

    def learn(self, first: Path) -> None:
        """Feed the first part as fast as it goes, fit what the stream wrote to history, promote it."""
        product, clock = self._product, self._product.clock
        hooks = FeedHooks(on_time=clock.advance_to)
        wired_agent.feed(
            product.settings, [first], speed=None, clock=self._system, metrics=product.metrics, hooks=hooks,
            tail_s=0, hosts=self._source.hosts,
        )  # fmt: skip
        clock.advance_to(self._source.cut)
        self._until("the first part is read", lambda: self._is_read() and self._watermark() >= self._source.cut - 120)
        # A checkpoint is due by the clock, which only we move; history is written with it.
        stored = product.metrics.value("checkpoints_total", result="ok")
        clock.advance_to(self._source.cut + product.settings.stream.checkpoint_interval_s)
        wanted = stored + product.settings.kafka.partitions
        self._until("history is written", lambda: product.metrics.value("checkpoints_total", result="ok") >= wanted)
        self._fit()

    def _fit(self) -> None:
        settings = self._product.settings
        shelf = wired_stores.shelf(settings)
        recipe = wired_stores.recipe("demo")
        fitted: list[Any] = []

        def fit() -> None:
            history, now = wired_stores.history(settings), self._product.clock.now()
            since, until = self._source.start, self._source.cut
            fitted.append(train.fit_set(history, recipe=recipe, since=since, until=until, now=now, seed=1))

        worker = threading.Thread(target=fit, name="retrain", daemon=True)
        worker.start()
        self._phase = "fitting"
        while worker.is_alive():
            self._show(0.0)
            worker.join(0.2)
        if not fitted:
            raise Unavailable("the models could not be fitted; see the log")
        manifest, made = fitted[0]
        shelf.put(manifest, made)
        shelf.point(Alias.CURRENT, manifest.id)
        self._trained = {"model_set": manifest.id, "workloads": manifest.workloads, "metrics": dict(manifest.metrics)}
        clock = self._product.clock
        clock.advance_to(clock.now() + settings.models.reload_s)
        self._until("the stream has the new set", lambda: self._product.stream.loop.status().model_set == manifest.id)

    def play(self, rest: Path) -> None:
        """Play the rest, compressed: the clock follows the recording, the recording waits for the stream."""
        self._phase = "playing"
        product = self._product
        pace = _Pace(self._options.speed, self._system)

        def on_time(event_time: float) -> None:
            if event_time < product.clock.now() + STEP_S:
                return  # told of every record; the world is looked at every few seconds of the recording
            pace.reach(event_time)
            product.clock.advance_to(event_time)
            self._until("the stream keeps up", self._keeps_up, within_s=CATCH_UP_S, must=False)
            self._operator.look(now=product.clock.now())
            self._player.look()
            self._show((event_time - self._source.cut) / (self._source.end - self._source.cut))

        hooks = FeedHooks(transform=self._player.transform, on_time=on_time)
        wired_agent.feed(
            product.settings, [rest], speed=None, clock=self._system, metrics=product.metrics, hooks=hooks,
            tail_s=120, hosts=self._source.hosts,
        )  # fmt: skip
        self._until("the rest is read", self._is_read)
        self._operator.look(now=product.clock.now())

    def end(self) -> None:
        """Let time pass until everything has ended by itself: holds are bounded, too."""
        self._phase = "letting everything end"
        clock = self._product.clock
        for _ in range(ENDING_STEPS):
            if not self._player.look() and not self._live():
                return
            for _ in range(round(ENDING_STEP_S / CONTROL_EVERY_S / 10)):
                clock.advance_to(clock.now() + CONTROL_EVERY_S * 10)
                self._system.wait(0.02)
            self._operator.look(now=clock.now())
            self._show(1.0)

    def facts(self) -> report.Facts:
        """Everything the report is made from."""
        with self._library.transaction() as books:
            alerts = list(books.alerts.find(limit=1000).items)
            restrictions = list(books.restrictions.find(limit=1000).items)
        return report.Facts(
            source=self._source,
            metrics=self._product.metrics,
            alerts=alerts,
            restrictions=restrictions,
            acts=self._operator.acts,
            player=self._player,
            left_over=self._player.look(),
            trained=self._trained,
            is_clean=self._options.is_clean,
        )

    def _live(self) -> bool:
        with self._library.transaction() as books:
            found = books.restrictions.find(limit=1000).items
        return any(one.is_live for one in found)

    def _is_read(self) -> bool:
        metrics = self._product.metrics
        seen = metrics.value("flows_consumed_total", result="ok") + metrics.value("flows_consumed_total", result="dead")
        return seen >= metrics.value("agent_records_sent_total") > 0

    def _keeps_up(self) -> bool:
        """All is read, and the stream said so lately: control leaves all to a person when it hears nothing."""
        if not self._is_read():
            return False
        with self._library.transaction() as books:
            return bool(books.signs.since(self._product.clock.now() - SIGN_S))

    def _watermark(self) -> float:
        return self._product.stream.loop.status().watermark or 0.0

    def _until(
        self, what: str, is_true: Callable[[], bool], *, within_s: float = LEARN_WITHIN_S, must: bool = True
    ) -> None:
        deadline = time.monotonic() + within_s
        while not is_true():
            self._product.check()
            if time.monotonic() > deadline:
                if must:
                    raise Unavailable(f"gave up waiting until {what}")
                return
            self._system.wait(0.01)

    def _show(self, progress: float) -> None:
        now, metrics = time.monotonic(), self._product.metrics
        if now - self._drawn[0] < 0.25:
            return
        self._product.check()
        consumed = metrics.value("flows_consumed_total", result="ok")
        rate = (consumed - self._drawn[1]) / (now - self._drawn[0])
        self._drawn = (now, consumed)
        with self._library.transaction() as books:
            alerts = books.alerts.find(limit=20).items
            restrictions = books.restrictions.find(limit=20).items
            workloads = books.workloads.find(limit=1000).items
        maturity: dict[str, int] = {}
        for facts in workloads:
            maturity[facts.maturity.value] = maturity.get(facts.maturity.value, 0) + 1
        self._watch(
            Scene(
                phase=self._phase, api=self._product.url, token=self._product.token, now=self._product.clock.now(),
                progress=min(1.0, max(0.0, progress)), flows_per_s=rate, records=int(consumed),
                dead_letters=int(metrics.total("dead_letters_total")),
                windows=int(metrics.total("windows_closed_total")), prevented=self._player.prevented.records,
                maturity=maturity, alerts=alerts, restrictions=restrictions,
            )
        )  # fmt: skip


class _Pace:
    """No faster than this many seconds of the recording a real second."""

    def __init__(self, speed: float, clock: SystemClock) -> None:
        self._speed = speed
        self._clock = clock
        self._began: tuple[float, float] | None = None

    def reach(self, event_time: float) -> None:
        now = time.monotonic()
        if self._began is None:
            self._began = (event_time, now)
        due = self._began[1] + (event_time - self._began[0]) / self._speed
        if due > now:
            self._clock.wait(due - now)
