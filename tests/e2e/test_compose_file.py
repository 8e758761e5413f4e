"""docker-compose.yml and the Dockerfile, read as files: pinned images, no secrets, only settings that exist.

What the services do when they run is shown by tests/e2e/test_compose.py.
"""

from __future__ import annotations

import json
import re
import shlex
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml
from pydantic import TypeAdapter

from baseline.settings import rooms
from tests.e2e import compose
from tests.ground.require import CHECKOUT

VARIABLES = {"DB_PASSWORD": "3f", "KUBECONFIG_FILE": "kubeconfig"}
OVERRIDE = CHECKOUT / "deploy" / "compose" / "cluster.yml"
SERVICES = compose.read(variables=VARIABLES)
OURS = {name: service for name, service in SERVICES.items() if service.is_ours}
PROCESSES = {"agent", "stream", "control", "janitor", "web"}
NO_DEFAULT = re.compile(r"PASSWORD|SECRET|TOKEN")


def _settings_of(environment: dict[str, str]) -> dict[str, dict[str, str]]:
    """Room -> setting -> text, of names like BASELINE_ROOM__SETTING."""
    found: dict[str, dict[str, str]] = {}
    for name, value in environment.items():
        room, _, setting = name.removeprefix("BASELINE_").lower().partition("__")
        found.setdefault(room, {})[setting] = value
    return found


def _instructions(word: str) -> list[str]:
    """Arguments of every Dockerfile instruction of this name, continued lines joined, comments left out."""
    lines = [line for line in compose.DOCKERFILE.read_text().splitlines() if not line.lstrip().startswith("#")]
    text = "\n".join(lines).replace("\\\n", " ")
    return [line.partition(" ")[2].strip() for line in text.splitlines() if line.startswith(f"{word} ")]


def test_every_part_of_the_product_is_a_service() -> None:
    """Kafka, PostgreSQL, the one-shot migration, five processes, the jobs and the demo."""
    assert {name for name, service in OURS.items() if service.is_process} == PROCESSES
    assert set(SERVICES) - set(OURS) == {"kafka", "postgres"}
    assert {name for name, service in OURS.items() if service.profiles == ("jobs",)} == {
        "backfill", "retrain", "promote", "expire",
    }  # fmt: skip
    assert {name for name, service in OURS.items() if service.profiles == ("demo",)} == {"demo"}
    assert not OURS["migrate"].is_process


def test_no_image_floats() -> None:
    """Every image has a tag, and none is `latest`: two machines get the same."""
    dockerfile = [line.split()[0] for line in _instructions("FROM")]
    for image in [service.image for service in SERVICES.values()] + dockerfile:
        tag = image.rpartition(":")[2] if ":" in image else ""
        assert tag, f"{image} has no tag"
        assert tag != "latest"


def test_the_database_password_has_no_default() -> None:
    """Without DB_PASSWORD nothing starts, and the message says where to put it."""
    with pytest.raises(compose.Unset, match=r"DB_PASSWORD.*\.env"):
        compose.read(variables={})


@pytest.mark.parametrize("path", [compose.COMPOSE_FILE, OVERRIDE, compose.DOCKERFILE], ids=lambda path: path.name)
def test_no_secret_stands_in_a_file(path: Path) -> None:
    """Whatever is named like a secret is demanded from the environment or empty, never given."""
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        key, colon, value = line.partition(":")
        if line.lstrip().startswith("#") or not colon or not NO_DEFAULT.search(key):
            continue
        assert re.fullmatch(r"\s*\$\{[A-Z_]+(:\?[^}]*|:-)\}.*", value), f"{path.name}:{number} gives a secret: {line}"
    assert not re.search(r"://[^$\s/:]+:[^$\s]+@", path.read_text()), "a URL holds a plain password"


@pytest.mark.parametrize("service", OURS.values(), ids=lambda service: service.name)
def test_every_variable_is_a_setting_and_its_value_is_accepted(service: compose.Service) -> None:
    """A misspelt variable would be ignored in silence: each must be a setting and parse as one."""
    known = rooms()
    for room, given in _settings_of(dict(service.environment)).items():
        assert room in known, f"{service.name}: no room {room!r} in baseline/settings.py"
        fields = known[room].model_fields
        for setting, text in given.items():
            assert setting in fields, f"{service.name}: no setting {room}.{setting}"
            is_json = text.startswith(("[", "{"))
            TypeAdapter(fields[setting].annotation).validate_python(json.loads(text) if is_json else text)
        known[room].model_validate({key: json.loads(v) if v.startswith("[") else v for key, v in given.items()})


def test_the_override_names_services_and_settings_that_exist() -> None:
    """deploy/compose/cluster.yml changes control and janitor, by settings that exist."""
    document = yaml.safe_load(OVERRIDE.read_text())
    assert set(document["services"]) == {"control", "janitor"} <= set(OURS)
    for service in document["services"].values():
        for room, given in _settings_of(service["environment"]).items():
            assert set(given) <= set(rooms()[room].model_fields)


@pytest.mark.parametrize("service", OURS.values(), ids=lambda service: service.name)
def test_every_command_exists(service: compose.Service) -> None:
    """The verb is one of the command line's, the module one of the jobs, the recipe a file of the image."""
    from tests.docs import commands

    program, *words = service.command
    if program == "python":
        assert words[0] == "-m"
        assert find_spec(words[1]), f"no module {words[1]}"
    else:
        assert program == "baseline"
        known = {name for name, _ in commands.every_verb()}
        assert f"baseline {words[0]}" in known
    for word in words:
        assert not word.startswith("models/") or (CHECKOUT / word).is_file(), f"{word} is not in the checkout"


@pytest.mark.parametrize("service", OURS.values(), ids=lambda service: service.name)
def test_our_containers_run_with_the_least(service: compose.Service) -> None:
    """Read-only root, no capabilities, no new privileges, nothing of the host but the folders it reads."""
    assert service.raw["read_only"] is True
    assert service.raw["cap_drop"] == ["ALL"]
    assert service.raw["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service.raw
    assert "user" not in service.raw, "the image's own user is meant"
    for mount in service.mounts:
        is_of_the_host = mount.source.startswith((".", "/"))
        assert not is_of_the_host or mount.is_read_only, f"{mount.source} could be written"
    for port in service.ports:
        assert port.startswith("127.0.0.1:"), f"{port} is open to the network without TLS"


def test_the_janitor_needs_nobody() -> None:
    """No database, no Kafka, and it waits for no other service."""
    janitor = OURS["janitor"]
    assert not janitor.depends_on
    assert not {"kafka", "books", "stream", "web"} & set(_settings_of(dict(janitor.environment)))


def test_nothing_is_enforced_unless_asked_for() -> None:
    """The shipped mode is recommend, and the cluster is a folder."""
    assert OURS["control"].environment["BASELINE_RESTRICTION__MODE"] == "recommend"
    assert OURS["control"].environment["BASELINE_CLUSTER__KIND"] == "manifests"


def test_each_process_has_a_port_of_its_own() -> None:
    """The ops port (web: the API's) is published as it is set, and no two are equal."""
    ports = []
    for name in sorted(PROCESSES):
        environment = OURS[name].environment
        port = environment.get("BASELINE_OPS__PORT") or environment["BASELINE_WEB__PORT"]
        assert OURS[name].ports == (f"127.0.0.1:{port}:{port}",)
        ports.append(port)
    assert len(set(ports)) == len(PROCESSES)


def test_every_folder_a_service_writes_is_a_volume() -> None:
    """The root is read-only: each path below /var/lib/baseline in a setting or command is mounted."""
    for service in OURS.values():
        targets = {mount.target for mount in service.mounts}
        for text in (*service.environment.values(), *service.command):
            if text.startswith("/var/lib/baseline/"):
                folder = "/".join(text.split("/")[:5])
                assert folder in targets, f"{service.name}: {text} is on no volume"


def test_the_image_makes_every_folder_that_is_mounted() -> None:
    """A named volume takes its owner from the image's folder: one that is missing would belong to root."""
    made = {
        word for line in _instructions("RUN") for word in shlex.split(line) if word.startswith("/var/lib/baseline/")
    }
    for service in OURS.values():
        for mount in service.mounts:
            assert not mount.target.startswith("/var/lib/baseline/") or mount.target in made


def test_what_the_dockerfile_copies_and_runs_exists() -> None:
    """Sources of COPY are in the checkout and not ignored; extras of uv sync are in pyproject.toml."""
    ignored = (CHECKOUT / ".dockerignore").read_text().splitlines()
    kept = {line[1:] for line in ignored if line.startswith("!")}
    for line in _instructions("COPY"):
        words = line.split()
        if words[0].startswith("--from="):
            continue
        for source in words[:-1]:
            assert (CHECKOUT / source).exists(), f"COPY {source}: not in the checkout"
            assert any(source == name or source.startswith(f"{name}/") for name in kept), f"{source} is ignored"
    project = (CHECKOUT / "pyproject.toml").read_text()
    for extra in re.findall(r"--extra (\S+)", compose.DOCKERFILE.read_text()):
        assert re.search(rf"^{extra} = \[", project, re.MULTILINE), f"no extra {extra}"


def test_the_image_is_built_from_the_lock_and_runs_as_nobody_special() -> None:
    """The lock file decides, uv as in the Makefile, a numeric user that is not root."""
    text = compose.DOCKERFILE.read_text()
    syncs = re.findall(r"uv sync .*", text)
    assert syncs
    assert all("--frozen" in line and "--no-dev" in line for line in syncs)
    pinned = re.search(r"^UV_VERSION := (\S+)", (CHECKOUT / "Makefile").read_text(), re.MULTILINE)
    assert pinned
    assert f"uv=={pinned[1]}" in text
    (user,) = _instructions("USER")
    assert int(user.partition(":")[0]) > 0
    assert _instructions("WORKDIR")[-1] == compose.IMAGE_WORKDIR
