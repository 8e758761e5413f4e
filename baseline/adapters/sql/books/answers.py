"""First answers by idempotency key, in SQL."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, delete, select, update

from baseline.adapters.sql import codec, rules
from baseline.adapters.sql.statements import insert_absent
from baseline.adapters.sql.tables import ANSWERS
from baseline.domain.errors import Conflict, KeyReused, NotFound
from baseline.ports import StoredAnswer


class SqlAnswers:
    """An ``IdempotencyBook`` over one connection.

    ``begin`` belongs into a transaction of its own: only a committed claim is seen by others.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def begin(self, *, token: str, key: str, request_hash: str, now: float) -> StoredAnswer | None:
        """Claim the key (None), or the stored answer of the same request."""
        self._forget_old(now)
        claim = {
            "token": codec.column(token),
            "key": codec.column(key),
            "request_hash": request_hash,
            "claimed_at": now,
        }
        if insert_absent(self._connection, ANSWERS, claim):
            return None
        query = select(ANSWERS).where(_is(token, key)).with_for_update()
        row = self._connection.execute(query).one_or_none()
        if row is None:  # its holder gave it up between our two statements
            raise Conflict("this idempotency key was just given free: ask again")
        if row.request_hash != request_hash:
            raise KeyReused("this idempotency key was used for another request")
        if row.status is None:
            raise Conflict("this request is being answered: ask again in a moment")
        return _answer(row)

    def finish(self, *, token: str, key: str, answer: StoredAnswer) -> None:
        """Store the answer of a claimed key."""
        stored = update(ANSWERS).where(_is(token, key), ANSWERS.c.status.is_(None))
        values = {"status": answer.status, "body": answer.body, "headers": codec.dumps(dict(answer.headers))}
        if self._connection.execute(stored.values(**values)).rowcount == 0:
            raise NotFound("claimed idempotency key", key)

    def abandon(self, *, token: str, key: str) -> None:
        """Give a claimed key free; a stored answer stays."""
        self._connection.execute(delete(ANSWERS).where(_is(token, key), ANSWERS.c.status.is_(None)))

    def _forget_old(self, now: float) -> None:
        is_dead = and_(ANSWERS.c.status.is_(None), ANSWERS.c.claimed_at <= now - rules.CLAIM_S)
        self._connection.execute(delete(ANSWERS).where(is_dead | (ANSWERS.c.claimed_at <= now - rules.ANSWERS_KEPT_S)))


def _is(token: str, key: str) -> ColumnElement[bool]:
    return and_(ANSWERS.c.token == codec.column(token), ANSWERS.c.key == codec.column(key))


def _answer(row: Row[Any]) -> StoredAnswer:
    return StoredAnswer(row.request_hash, row.status, row.body, json.loads(row.headers))
