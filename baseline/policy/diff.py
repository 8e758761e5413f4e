"""Wanted restrictions and what lies in the tier -> what has to change.

Pure. Objects that do not carry our labels and instance are foreign: they are reported, never changed. What is ours
but not wanted is only told apart here; whether it was ended or merely forgotten is for the books to say.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from baseline.domain.errors import UnsafeRestriction
from baseline.domain.restriction import Restriction
from baseline.policy import contract, render

LiveT = TypeVar("LiveT", bound=contract.Live)


@dataclass(frozen=True, slots=True, kw_only=True)
class Replacement(Generic[LiveT]):
    """An object of ours that is not as it should be."""

    live: LiveT
    manifest: Mapping[str, Any]
    restriction: Restriction
    is_drift: bool  # somebody else changed its spec; otherwise only our own wish (such as the expiry) moved


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes(Generic[LiveT]):
    """Everything that differs."""

    create: tuple[tuple[Restriction, Mapping[str, Any]], ...]
    replace: tuple[Replacement[LiveT], ...]
    in_place: tuple[tuple[Restriction, LiveT], ...]  # as it should be
    expired: tuple[LiveT, ...]  # ours, past its own expiry: delete, whatever anybody wants
    unwanted: tuple[LiveT, ...]  # ours, not expired, no wanted restriction has its name: ask the books
    foreign: tuple[LiveT, ...]  # not ours: never touched
    in_the_way: tuple[tuple[Restriction, LiveT], ...]  # foreign, and it has the name we want
    unsafe: tuple[tuple[Restriction, str], ...]  # wanted, but render refuses; with the reason

    @property
    def is_empty(self) -> bool:
        """Nothing to write."""
        return not (self.create or self.replace or self.expired or self.unwanted)


def diff(wanted: Iterable[Restriction], live: Sequence[LiveT], *, instance: str, now: float) -> Changes[LiveT]:
    """Compare; ``wanted`` may only hold restrictions that are wanted at ``now`` (others are reported as unsafe)."""
    ours = {(obj.namespace, obj.name): obj for obj in live if contract.is_ours(obj.manifest, instance=instance)}
    foreign = tuple(obj for obj in live if (obj.namespace, obj.name) not in ours)
    others = {(obj.namespace, obj.name): obj for obj in foreign}
    create: list[tuple[Restriction, Mapping[str, Any]]] = []
    replace: list[Replacement[LiveT]] = []
    in_place: list[tuple[Restriction, LiveT]] = []
    in_the_way: list[tuple[Restriction, LiveT]] = []
    unsafe: list[tuple[Restriction, str]] = []
    named: set[tuple[str, str]] = set()
    for restriction in sorted(wanted, key=lambda item: item.id):
        key = (restriction.workload.namespace, restriction.object_name)
        try:
            manifest = render.render(restriction, instance=instance, now=now)
        except UnsafeRestriction as error:
            unsafe.append((restriction, str(error)))
            continue
        named.add(key)
        if (obj := ours.get(key)) is not None:
            if is_as_wanted(obj.manifest, manifest):
                in_place.append((restriction, obj))
            else:
                drift = not is_covered(manifest["spec"], obj.manifest.get("spec"))
                replace.append(Replacement(live=obj, manifest=manifest, restriction=restriction, is_drift=drift))
        elif (other := others.get(key)) is not None:
            in_the_way.append((restriction, other))
        else:
            create.append((restriction, manifest))
    rest = [obj for key, obj in ours.items() if key not in named]
    return Changes(
        create=tuple(create),
        replace=tuple(replace),
        in_place=tuple(in_place),
        expired=tuple(obj for obj in rest if now >= contract.expires_at(obj.manifest)),
        unwanted=tuple(obj for obj in rest if now < contract.expires_at(obj.manifest)),
        foreign=foreign,
        in_the_way=tuple(in_the_way),
        unsafe=tuple(unsafe),
    )


def is_as_wanted(live: Mapping[str, Any], manifest: Mapping[str, Any]) -> bool:
    """Same spec, and all of our labels and annotations; what others added beside them is theirs."""
    return is_covered(manifest["spec"], live.get("spec")) and all(
        manifest["metadata"][part].items() <= contract.text_map(live, part).items()
        for part in ("labels", "annotations")
    )


def is_covered(wanted: Any, live: Any) -> bool:  # noqa: ANN401 - compares plain JSON of any shape
    """Equal but for empty fields that an API server adds when it stores an object."""
    if isinstance(wanted, Mapping):
        if not isinstance(live, Mapping):
            return False
        extra = [value for key, value in live.items() if key not in wanted]
        return all(not value for value in extra) and all(
            is_covered(value, live.get(key)) for key, value in wanted.items()
        )
    if isinstance(wanted, list):
        return (
            isinstance(live, list)
            and len(live) == len(wanted)
            and all(is_covered(one, other) for one, other in zip(wanted, live, strict=True))
        )
    return bool(wanted == live)


def canonical(manifest: Mapping[str, Any]) -> str:
    """One spelling of a manifest, for comparing runs."""
    return json.dumps(manifest, sort_keys=True, separators=(",", ":"))
