"""Each process loads what it needs and no more, and settings reach the parts they name."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from baseline.adapters.calico import CalicoCluster
from baseline.adapters.clock import SystemClock
from baseline.adapters.manifests import ManifestFolder
from baseline.adapters.metrics import PrometheusMetrics
from baseline.demo.product import settings_in
from baseline.domain.errors import BaselineError, GateRefused, Unavailable
from baseline.domain.restriction import Mode
from baseline.settings import BooksSettings, ClusterSettings, HistorySettings, KafkaSettings, NotifySettings, Settings
from baseline.wiring import cluster, planning, stores

HEAVY = {
    "sqlalchemy",
    "psycopg",
    "kafka",
    "sklearn",
    "numba",
    "pandas",
    "pyarrow",
    "fastapi",
    "uvicorn",
    "kubernetes",
}  # numpy comes with the ports


@pytest.mark.parametrize(
    ("module", "may_load"),
    [
        ("baseline.cli", set()),
        ("baseline.wiring.cluster", {"kubernetes"}),
        ("baseline.control.janitor", set()),
    ],
)
def test_what_must_work_alone_loads_nothing_heavy(module: str, may_load: set[str]) -> None:
    """The janitor ends restrictions when database, Kafka and models are broken, on disk too."""
    code = f"import sys, {module}; print(*sorted({HEAVY!r} & set(sys.modules)))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    ).stdout.split()
    assert set(loaded) <= may_load


def test_a_cluster_is_a_folder_or_an_api_server(tmp_path: Path) -> None:
    """By its kind; an API server needs a kubeconfig that is there."""
    folder = cluster.cluster(Settings(cluster=ClusterSettings(manifests_dir=str(tmp_path))), SystemClock())
    assert isinstance(folder, ManifestFolder)
    missing = ClusterSettings(kind="kubernetes", kubeconfig=str(tmp_path / "none"))
    with pytest.raises(BaselineError):
        cluster.cluster(Settings(cluster=missing), SystemClock())
    config = tmp_path / "config"
    config.write_text(
        "apiVersion: v1\nkind: Config\ncurrent-context: a\n"
        "clusters: [{name: a, cluster: {server: 'http://127.0.0.1:9'}}]\n"
        "users: [{name: a, user: {token: t}}]\ncontexts: [{name: a, context: {cluster: a, user: a}}]\n",
        encoding="utf-8",
    )
    found = ClusterSettings(kind="kubernetes", kubeconfig=str(config))
    assert isinstance(cluster.cluster(Settings(cluster=found), SystemClock()), CalicoCluster)


def test_a_janitor_without_its_cluster_fails_its_one_pass(tmp_path: Path) -> None:
    """A CronJob must turn red."""
    blocked = tmp_path / "file"
    blocked.write_text("no folder", encoding="utf-8")
    settings = Settings(cluster=ClusterSettings(manifests_dir=str(blocked)))
    janitor = cluster.janitor(settings, clock=SystemClock(), metrics=PrometheusMetrics())
    with pytest.raises(Unavailable, match="did not answer"):
        janitor.run_once()
    is_ready, _ = janitor.ready()
    assert not is_ready


def test_only_channels_with_an_address_are_told() -> None:
    """Nobody by default."""
    assert planning.channels(Settings()) == ()
    told = NotifySettings(alertmanager_url=SecretStr("http://a:9093"))
    assert planning.channels(Settings(notify=told)) == ("alertmanager",)


def test_the_log_is_reached_as_set() -> None:
    """The client id names the process and its static member; a secret is unwrapped here and nowhere before."""
    chosen = KafkaSettings(bootstrap="k:9093", instance_id="stream-0", sasl_password=SecretStr("hunter2"))
    connection = stores.kafka(chosen, process="stream")
    assert (connection.bootstrap, connection.client_id) == ("k:9093", "baseline-stream-stream-0")
    assert connection.sasl_password == "hunter2"
    assert "hunter2" not in repr(chosen)


def test_migrating_twice_is_migrating_once(tmp_path: Path) -> None:
    """And the books can then be used."""
    settings = Settings(books=BooksSettings(url=SecretStr(f"sqlite:///{tmp_path / 'books.db'}")))
    for _ in range(2):
        assert stores.migrate(settings, topics=False) == ["books: at this version"]
    with stores.library(settings) as library:
        library.check()


def test_history_that_never_was_has_nothing_to_expire(tmp_path: Path) -> None:
    """A first night's CronJob is well."""
    settings = Settings(history=HistorySettings(url=str(tmp_path / "history")))
    assert stores.expire_history(settings, now=SystemClock().now()) == 0


def test_a_recipe_is_shipped_by_name() -> None:
    """Every shipped one can be read; another is refused by its name."""
    shipped = sorted(path.stem for path in (Path(__file__).parents[3] / "models" / "recipes").glob("*.toml"))
    assert shipped
    for name in shipped:
        assert stores.recipe(name).horizons_s
    with pytest.raises(GateRefused, match="no recipe named nonsense"):
        stores.recipe("nonsense")


def test_nothing_of_the_environment_leaks_into_the_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody tries it on the machine where the product's variables are set."""
    monkeypatch.setenv("BASELINE_CLUSTER__KIND", "kubernetes")
    monkeypatch.setenv("BASELINE_NOTIFY__WEBHOOK_URL", "http://pager.example")
    monkeypatch.setenv("BASELINE_NONSENSE__X", "y")
    settings = settings_in(tmp_path, bootstrap="127.0.0.1:1")
    assert settings.cluster.kind == "manifests"
    assert not settings.notify.webhook_url.get_secret_value()
    assert settings.restriction.mode is Mode.AUTO_NARROW
    assert Path(settings.cluster.manifests_dir).is_relative_to(tmp_path)
