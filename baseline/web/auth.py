"""Who is asking and what the token's role allows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from baseline.ports import Role, Token
from baseline.web.problems import Problem

_ORDER = (Role.VIEWER, Role.RESPONDER, Role.ADMIN)  # each may do what those before it may
_SCHEME = HTTPBearer(auto_error=False, description="A named token made by `baseline tokens create`.")


def at_least(role: Role) -> Callable[..., Token]:
    """A dependency: the caller, whose role must be this or a higher one."""

    def caller(
        request: Request,
        _documented: Annotated[HTTPAuthorizationCredentials | None, Security(_SCHEME)] = None,
    ) -> Token:
        token = request.scope["state"]["token"]  # put there by the shell, which let nobody else in
        assert isinstance(token, Token)
        if _ORDER.index(token.role) < _ORDER.index(role):
            raise Problem(403, f"Token {token.name!r} is a {token.role}; this needs a {role}.")
        return token

    return caller


Viewer = Annotated[Token, Depends(at_least(Role.VIEWER))]
Responder = Annotated[Token, Depends(at_least(Role.RESPONDER))]
