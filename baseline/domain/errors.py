"""The one tree of errors.

    BaselineError
    |- MalformedRecord        a line of input we cannot read: kept as a dead letter, counted, never fatal
    |- SchemaMismatch         numbers made with another feature schema
    |- ModelSetRejected       a model set that is damaged, unsafe or not ours
    |- CheckpointRejected     a checkpoint that is damaged or from a future format
    |- BookRejected           a stored row that is damaged or was written by a newer version
    |- GateRefused            a gate of a pipeline said no (exit code 3)
    |- RuleError              a request that breaks a rule of the domain
    |  |- NotFound            no such alert, restriction, ...
    |  |- StaleRevision       somebody changed it since you read it
    |  |- NotAllowed          not in this state, or not by this person
    |  |- UnsafeRestriction   a restriction that would select too much, allow anything or never end
    |- OutsideError           the world outside failed
       |- Unavailable         try again later (``retry_after_s`` when the other side said when)
       |- Denied              401 or 403: our credentials or rights do not suffice
       |- Missing             the object or its kind does not exist there
       |- Conflict            exists already, or was changed since read: read again
       |  |- KeyReused        an idempotency key came back with another request
       |- Invalid             refused as malformed or forbidden by admission: retrying the same bytes is useless
       |- ForeignObject       an object that is not ours stands where ours should be: never touched

Attributes carry the facts; the message names field and value. Only ``web/problems.py`` knows HTTP.
"""

from __future__ import annotations


class BaselineError(Exception):
    """Root of everything we raise on purpose."""


class MalformedRecord(BaselineError):
    """A record that cannot be read as a flow.

    ``reason`` is one of the stable words counted in metrics and dead letters; ``field`` and ``value`` say where.
    """

    def __init__(self, reason: str, *, field: str = "", value: object = "") -> None:
        self.reason = reason
        self.field = field
        self.value = str(value)[:200]
        super().__init__(f"{reason}: {field}={self.value!r}" if field else reason)


class SchemaMismatch(BaselineError):
    """Numbers or a model made with another feature schema than the running one."""


class ModelSetRejected(BaselineError):
    """A model set that must not be loaded: checksum, shape, range or format is wrong."""


class CheckpointRejected(BaselineError):
    """A checkpoint that must not be restored: damaged, or written by a newer format."""


class BookRejected(BaselineError):
    """A row of the books that must not be read: damaged, or written by a newer version."""


class GateRefused(BaselineError):
    """A gate said no; the message is the reason."""


class RuleError(BaselineError):
    """The request breaks a rule of the domain."""


class NotFound(RuleError):
    """There is no such thing."""

    def __init__(self, kind: str, key: str) -> None:
        self.kind = kind
        self.key = key
        super().__init__(f"no {kind} {key!r}")


class StaleRevision(RuleError):
    """The object was changed by somebody else after it was read."""

    def __init__(self, kind: str, key: str, *, expected: int, actual: int) -> None:
        self.kind = kind
        self.key = key
        self.expected = expected
        self.actual = actual
        super().__init__(f"{kind} {key!r} is at revision {actual}, not {expected}: read it again")


class NotAllowed(RuleError):
    """Not in this state, or not by this person."""


class UnsafeRestriction(RuleError):
    """A restriction that would select too much, allow anything, or never end. Never rendered."""


class OutsideError(BaselineError):
    """Something outside our process failed."""


class Unavailable(OutsideError):
    """Down, slow, overloaded: try again later."""

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(message)


class Denied(OutsideError):
    """Our credentials or rights do not suffice."""


class Missing(OutsideError):
    """The object, or its kind, does not exist there."""


class Conflict(OutsideError):
    """Exists already, or was changed since it was read."""


class KeyReused(Conflict):
    """An idempotency key was used before, for another request."""


class Invalid(OutsideError):
    """Refused as malformed or forbidden; the same bytes will be refused again."""


class ForeignObject(OutsideError):
    """An object we do not own has the name we wanted. It is left as it is."""
