"""Calico selectors: built and read here and nowhere else.

We only ever write conjunctions of ``key == 'value'``: positive, so that Windows nodes do not skip them, and never
empty, because an empty selector selects everything. The custom resource does not check selector syntax, so we do.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from baseline.domain.errors import UnsafeRestriction
from baseline.policy.contract import NAMESPACE_NAME_LABEL

Labels = tuple[tuple[str, str], ...]

SELECTOR_CHARS_MAX = 1024  # Calico's own limit
GLOBAL = "global()"  # as a namespaceSelector: things without a namespace, such as global network sets

_NAME = r"[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
_KEY = re.compile(rf"(?:[a-z0-9](?:[-a-z0-9.]{{0,251}}[a-z0-9])?/)?{_NAME}")
_VALUE = re.compile(rf"(?:{_NAME})?")
_NAMESPACE = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?")
_TERM = re.compile(r"(?P<key>[^\s='&|!()]+) == '(?P<value>[^']*)'")


def equals(labels: Iterable[tuple[str, str]]) -> str:
    """``app == 'web' && tier == 'front'``, in order of key.

    Raises UnsafeRestriction when there is no label, when one is no Kubernetes label (a quote would end the literal
    and let a label's value widen the selector), or when the text grows past Calico's limit.
    """
    terms = []
    for key, value in sorted(labels):
        if not _KEY.fullmatch(key) or not _VALUE.fullmatch(value):
            raise UnsafeRestriction(f"not a Kubernetes label: {key!r}={value!r}")
        terms.append(f"{key} == '{value}'")
    if not terms:
        raise UnsafeRestriction("a selector without labels would select everything")
    text = " && ".join(terms)
    if len(text) > SELECTOR_CHARS_MAX:
        raise UnsafeRestriction(f"a selector of {len(text)} characters is longer than Calico's {SELECTOR_CHARS_MAX}")
    return text


def in_namespace(namespace: str) -> str:
    """A namespaceSelector for exactly one namespace."""
    return equals([(NAMESPACE_NAME_LABEL, checked_namespace(namespace))])


def checked_namespace(namespace: str) -> str:
    """The namespace, or UnsafeRestriction when it cannot be the name of one."""
    if not _NAMESPACE.fullmatch(namespace):
        raise UnsafeRestriction(f"not a namespace: {namespace!r}")
    return namespace


def parse(text: str) -> Labels:
    """The inverse of ``equals``; UnsafeRestriction for every selector we would not have written."""
    labels = []
    for term in text.split(" && "):
        found = _TERM.fullmatch(term)
        if found is None:
            raise UnsafeRestriction(f"not a selector of ours: {text[:200]!r}")
        labels.append((found["key"], found["value"]))
    return tuple(labels)


def matches(wanted: Labels, labels: Mapping[str, str]) -> bool:
    """Whether an endpoint with these labels is selected; an empty ``wanted`` selects nothing here."""
    return bool(wanted) and all(labels.get(key) == value for key, value in wanted)
