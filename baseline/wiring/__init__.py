"""The only room that knows everyone: settings to adapters to what the processes and verbs run on.

A module a process, so that a process imports what it needs and no more: the janitor needs no database, no Kafka and no
models.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Ready = tuple[bool, Mapping[str, Any]]  # well or not, and the details that /readyz shows
