"""The stream in shadow, on a real log: the candidate judges, and nobody hears of it."""

from __future__ import annotations

import threading
from contextlib import closing
from pathlib import Path

import pytest
from pydantic import SecretStr

from baseline.adapters.clock import SystemClock
from baseline.adapters.history import ParquetHistory
from baseline.adapters.metrics import PrometheusMetrics
from baseline.adapters.shelf import FolderShelf
from baseline.adapters.sql.library import open_library
from baseline.demo.product import settings_in
from baseline.domain.modelset import Alias
from baseline.features import schema
from baseline.services.shadow import difference
from baseline.wiring import stores
from baseline.wiring import stream as wired
from tests.ground.tansu import TansuBroker
from tests.ground.waiting import eventually
from tests.unit.services_score.making import fitted_files


def test_a_candidate_runs_in_shadow(tansu_broker: TansuBroker, tmp_path: Path) -> None:
    """It loads the candidate, keeps books and checkpoints of its own, and writes no history."""
    settings = settings_in(tmp_path, bootstrap=tansu_broker.bootstrap)
    beside = f"sqlite:///{tmp_path / 'shadow.db'}"
    models = settings.models.model_copy(update={"shadow_books_url": SecretStr(beside)})
    settings = settings.model_copy(update={"models": models})
    stores.migrate(settings, topics=True)
    shelf = FolderShelf(settings.models.shelf_url)
    manifest, files = fitted_files()
    shelf.put(manifest, files)
    shelf.point(Alias.CANDIDATE, manifest.id)
    clock = SystemClock()
    with wired.shadow(settings, clock=clock, metrics=PrometheusMetrics()) as running:
        thread = threading.Thread(target=running.run)
        thread.start()
        try:
            eventually(lambda: running.loop.status().model_set == manifest.id, 60)
            eventually(lambda: running.loop.status().partitions == 1, 60)
        finally:
            clock.stop()
            thread.join(60)
    assert not thread.is_alive()
    assert shelf.resolve(Alias.CURRENT) is None
    with closing(open_library(beside)) as shadow, closing(open_library(settings.books.url.get_secret_value())) as books:
        found = difference(books, shadow, set_id=manifest.id, made_at=0.0)
        with books.transaction() as seen:
            assert not seen.signs.since(0.0), "control must not take the shadow for the stream"
    assert (found.both, found.only_candidate, found.only_current) == ((), (), ())
    assert not ParquetHistory(settings.history.url, schema_hash=schema.hash()).workloads(since=0.0, until=clock.now())


def test_books_that_people_read_are_refused(tmp_path: Path) -> None:
    """One wrong setting must not put the candidate's alerts before people, or let control act on them."""
    settings = settings_in(tmp_path, bootstrap="127.0.0.1:1")
    models = settings.models.model_copy(update={"shadow_books_url": settings.books.url})
    settings = settings.model_copy(update={"models": models})
    with (
        pytest.raises(ValueError, match="shadow_books_url"),
        wired.shadow(settings, clock=SystemClock(), metrics=PrometheusMetrics()),
    ):
        pass
