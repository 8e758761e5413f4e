"""Signs of life of the streams, in SQL."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, delete, select

from baseline.adapters.sql import codec
from baseline.adapters.sql.statements import upsert
from baseline.adapters.sql.tables import SIGNS
from baseline.ports import Sign


class SqlSigns:
    """A ``SignBook`` over one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def put(self, sign: Sign) -> None:
        """Insert or replace the member's."""
        row = {"member": codec.column(sign.member), "at": sign.at, "noun": codec.write(sign)}
        upsert(self._connection, SIGNS, [row])

    def since(self, at: float) -> Sequence[Sign]:
        """Those given at or after, in order of member."""
        query = select(SIGNS.c.member, SIGNS.c.noun).where(SIGNS.c.at >= at).order_by(SIGNS.c.member)
        return [codec.read(row.noun, Sign, key=row.member) for row in self._connection.execute(query)]

    def forget(self, *, before: float) -> None:
        """Delete those given before."""
        self._connection.execute(delete(SIGNS).where(SIGNS.c.at < before))
