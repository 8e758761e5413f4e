"""Named bearer tokens: made once, shown once, stored as a hash. There is none until somebody makes one."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Sequence

from baseline.domain.errors import NotAllowed
from baseline.domain.units import DAY_S
from baseline.ports import AuditEntry, Books, Role, Token

PREFIX = "cbl_"  # lets scanners of leaked secrets recognise ours
ENTROPY_BYTES = 32
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,62}")
_LONGEST = 512  # characters of a presented secret that we hash
TTL_MAX_S = 3650 * DAY_S  # what is to last longer is made without an expiry


def create(
    books: Books, *, name: str, role: Role, entropy: bytes, now: float, by: str, ttl_s: float | None = None
) -> str:
    """Store a new token and return its secret: the only time it exists in the clear.

    ``entropy`` is 32 fresh bytes of the operating system's randomness (``secrets.token_bytes(32)``).

    Raises
    ------
    NotAllowed
        The name is no name, the randomness is too short, or the lifetime is not within ten years.
    Conflict
        The name is taken (names of revoked tokens stay taken: the audit log speaks of them).
    """
    if not _NAME.fullmatch(name):
        raise NotAllowed(f"not a token name: {name!r} (letters, digits and ._@- after the first, 63 at most)")
    if len(entropy) < ENTROPY_BYTES:
        raise NotAllowed(f"a token needs {ENTROPY_BYTES} random bytes, not {len(entropy)}")
    if ttl_s is not None and ttl_s <= 0:
        raise NotAllowed(f"a token's lifetime must be positive, not {ttl_s:g} s")
    if ttl_s is not None and ttl_s > TTL_MAX_S:
        raise NotAllowed(f"a token's lifetime is at most {TTL_MAX_S // DAY_S} days; leave it out for one without end")
    secret = PREFIX + base64.urlsafe_b64encode(entropy).decode().rstrip("=")
    expires_at = None if ttl_s is None else now + ttl_s
    books.tokens.add(Token(name=name, role=role, hash=hashed(secret), created_at=now, expires_at=expires_at))
    detail = {"role": role.value, "expires_at": expires_at}
    books.audit.append(AuditEntry(at=now, actor=by, action="token.create", target=f"token/{name}", detail=detail))
    return secret


def revoke(books: Books, name: str, *, now: float, by: str) -> None:
    """End a token at once; NotFound when there is none."""
    books.tokens.revoke(name, at=now)
    books.audit.append(AuditEntry(at=now, actor=by, action="token.revoke", target=f"token/{name}"))


def listed(books: Books) -> Sequence[Token]:
    """All tokens in order of name, the revoked and expired ones too."""
    return books.tokens.all()


def bearer(books: Books, secret: str, *, now: float) -> Token | None:
    """Whose secret it is; None when nobody's, or revoked, or expired."""
    if not secret or len(secret) > _LONGEST:
        return None
    presented = hashed(secret)
    token = books.tokens.by_hash(presented)
    if token is None or not hmac.compare_digest(token.hash, presented):
        return None
    is_over = token.revoked_at is not None or (token.expires_at is not None and now >= token.expires_at)
    return None if is_over else token


def hashed(secret: str) -> str:
    """SHA-256 in hex. No salt and no stretching: a secret is 256 random bits, not a password."""
    return hashlib.sha256(secret.encode()).hexdigest()
