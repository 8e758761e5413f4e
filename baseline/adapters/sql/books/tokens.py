"""Tokens in SQL: only their hashes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, select, update

from baseline.adapters.sql import codec
from baseline.adapters.sql.statements import insert_absent
from baseline.adapters.sql.tables import TOKENS
from baseline.domain.errors import Conflict, NotFound
from baseline.ports import Role, Token


class SqlTokens:
    """A ``TokenBook`` over one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, token: Token) -> None:
        """Conflict when the name is taken."""
        row = {
            "name": codec.column(token.name),
            "role": token.role.value,
            "hash": token.hash,
            "created_at": token.created_at,
            "expires_at": token.expires_at,
            "revoked_at": token.revoked_at,
        }
        if not insert_absent(self._connection, TOKENS, row):
            raise Conflict(f"a token named {token.name!r} exists already")

    def by_hash(self, token_hash: str) -> Token | None:
        """The token, revoked or not."""
        row = self._connection.execute(select(TOKENS).where(TOKENS.c.hash == token_hash)).one_or_none()
        return None if row is None else _token(row)

    def revoke(self, name: str, *, at: float) -> None:
        """NotFound when there is none; the first revocation stays."""
        named = TOKENS.c.name == codec.column(name)
        if self._connection.execute(select(TOKENS.c.name).where(named)).one_or_none() is None:
            raise NotFound("token", name)
        self._connection.execute(update(TOKENS).where(named, TOKENS.c.revoked_at.is_(None)).values(revoked_at=at))

    def all(self) -> Sequence[Token]:
        """In order of name."""
        return [_token(row) for row in self._connection.execute(select(TOKENS).order_by(TOKENS.c.name))]


def _token(row: Row[Any]) -> Token:
    return Token(
        name=row.name,
        role=Role(row.role),
        hash=row.hash,
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
    )
