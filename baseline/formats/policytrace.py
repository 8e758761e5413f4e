"""Policy traces: Calico's two string forms, and the words both formats share.

Old form: ``index|tier|name|action|rule`` with ``tier.name``, ``ns/tier.name``, ``ns/knp.default.name`` or
``__PROFILE__.kns.ns``, and ``staged:`` before or after the tier. New form (Calico 3.32): ``kind:[ns/]name`` in the
third place. An entry that cannot be read is kept as kind OTHER with the whole text as its name: counts must not be
lost for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from baseline.domain.flow import PolicyHit, PolicyKind

UNKNOWN_RULE = -2

_PROFILE = "__PROFILE__"
_STAGED = "staged:"
_KUBERNETES = "knp.default."
_CLUSTER = "kcnp."
_KINDS = {
    "np": (PolicyKind.NETWORK_POLICY, False), "snp": (PolicyKind.NETWORK_POLICY, True),
    "gnp": (PolicyKind.GLOBAL_NETWORK_POLICY, False), "sgnp": (PolicyKind.GLOBAL_NETWORK_POLICY, True),
    "knp": (PolicyKind.KUBERNETES, False), "sknp": (PolicyKind.KUBERNETES, True),
    "kcnp": (PolicyKind.CLUSTER, False), "pro": (PolicyKind.PROFILE, False), "eot": (PolicyKind.END_OF_TIER, False),
}  # fmt: skip
_WORDS = {(kind, staged): word for word, (kind, staged) in _KINDS.items()}
_CACHED = 16_384


@lru_cache(maxsize=_CACHED)
def parse_trace(texts: tuple[str, ...]) -> tuple[PolicyHit, ...]:
    """The hits in the order of evaluation (their index), whatever order the log had."""
    return tuple(hit for _, hit in sorted((_parse(text) for text in texts), key=lambda found: found[0]))


def format_trace(hits: Iterable[PolicyHit]) -> list[str]:
    """The new string form; ``parse_trace`` reads it back."""
    return [f"{index}|{hit.tier}|{_format_name(hit)}|{hit.action}|{hit.rule_index}" for index, hit in enumerate(hits)]


def _format_name(hit: PolicyHit) -> str:
    word = _WORDS.get((hit.kind, hit.staged)) or _WORDS.get((hit.kind, False), "other")
    return f"{word}:{hit.namespace + '/' if hit.namespace else ''}{hit.name}"


def _parse(text: str) -> tuple[int, PolicyHit]:
    parts = text.split("|")
    if len(parts) not in (4, 5):  # before Calico Enterprise 3.14 the rule index was missing
        return 0, PolicyHit(PolicyKind.OTHER, "", "", text, "", UNKNOWN_RULE)
    index, tier, full_name, action = parts[:4]
    rule = parts[4] if len(parts) == 5 else ""
    kind, staged, namespace, name = _parse_name(full_name)
    plain_tier = "" if tier == _PROFILE else tier
    hit = PolicyHit(kind, plain_tier, namespace, name, action.lower(), _number(rule, UNKNOWN_RULE), staged)
    return _number(index, 0), hit


def _parse_name(full_name: str) -> tuple[PolicyKind, bool, str, str]:
    word, colon, rest = full_name.partition(":")
    if colon and (word in _KINDS or word == PolicyKind.OTHER):
        kind, staged = _KINDS.get(word, (PolicyKind.OTHER, False))
        return kind, staged, *_split_namespace(rest)
    staged = _STAGED in full_name
    namespace, name = _split_namespace(full_name.replace(_STAGED, ""))
    if name.startswith(_PROFILE):
        return PolicyKind.PROFILE, staged, "", name.removeprefix(f"{_PROFILE}.")
    if name.startswith(_KUBERNETES):
        return PolicyKind.KUBERNETES, staged, namespace, name.removeprefix(_KUBERNETES)
    if name.startswith(_CLUSTER):
        return PolicyKind.CLUSTER, staged, namespace, name
    kind = PolicyKind.NETWORK_POLICY if namespace else PolicyKind.GLOBAL_NETWORK_POLICY
    return kind, staged, namespace, name


def _split_namespace(text: str) -> tuple[str, str]:
    namespace, slash, name = text.partition("/")
    return (namespace, name) if slash else ("", text)


def _number(text: str, default: int) -> int:
    try:
        return int(text)
    except ValueError:
        return default
