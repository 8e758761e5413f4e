"""Which tests of a parallel run stay together."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.ground.scheduling import heavy_servers


@pytest.mark.parametrize(
    ("files", "servers"),
    [
        ({"conftest.py": "kafka_server", "a/test_x.py": "def test(tmp_path): ..."}, ""),
        ({"conftest.py": "", "a/test_x.py": "def test(kube_api, kafka_server): ..."}, "kafka_server+kube_api"),
        ({"conftest.py": "", "a/conftest.py": "postgres_server", "a/test_x.py": "def test(): ..."}, "postgres_server"),
        ({"conftest.py": "", "a/test_x.py": "def test(my_kube_api, tansu_broker): ..."}, ""),
    ],
)
def test_a_file_belongs_to_the_servers_it_asks_for(tmp_path: Path, files: dict[str, str], servers: str) -> None:
    """Its own text and the conftest of its folder count; the topmost conftest and small servers do not."""
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert heavy_servers(tmp_path / "a" / "test_x.py") == servers
