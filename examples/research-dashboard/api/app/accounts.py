"""Who may read: accounts with scrypt digests of their passwords, and the tokens that a login gives."""

import hashlib
import hmac
import os
from datetime import datetime, timedelta, timezone
from typing import Annotated, Any

import jwt
from fastapi import Depends, HTTPException
from fastapi.security import OAuth2PasswordBearer

from app import store

SECRET = os.environ.get("JWT_SECRET_KEY", "")
MINUTES = int(os.environ.get("ACCESS_TOKEN_EXPIRE_MINUTES", "30"))
ALGORITHM = "HS256"  # no setting: another one could only be weaker
if len(SECRET) < 32:
    raise SystemExit("JWT_SECRET_KEY: 32 characters or more, please")


def digest(password: str, salt: bytes | None = None) -> bytes:
    """A salt of 16 bytes, and what scrypt makes of it and the password."""
    salt = salt or os.urandom(16)
    return salt + hashlib.scrypt(password.encode(), salt=salt, n=2**14, r=8, p=1)


NOBODY = digest("", b"-" * 16)


def log_in(username: str, password: str) -> str | None:
    """A token, or None; an unknown name takes as long as a wrong password."""
    user = store.db.users.find_one({"username": username})
    stored = bytes((user or {}).get("password") or NOBODY)
    same = hmac.compare_digest(digest(password, stored[:16]), stored)
    if not same or stored == NOBODY:
        return None
    now = datetime.now(timezone.utc)
    claims = {"sub": username, "iat": now, "exp": now + timedelta(minutes=MINUTES)}
    return jwt.encode(claims, SECRET, ALGORITHM)


def reader(token: Annotated[str, Depends(OAuth2PasswordBearer("login"))]) -> dict[str, Any]:
    """The account that a request's token was given to. HTTPException 401 where it is not valid any more."""
    try:
        name = jwt.decode(token, SECRET, [ALGORITHM], options={"require": ["exp", "sub"]})["sub"]
    except jwt.InvalidTokenError:
        name = None
    user = store.db.users.find_one({"username": name}) if name else None
    if user is None:
        raise HTTPException(401, "log in again", {"WWW-Authenticate": "Bearer"})
    return user


def administrator(user: Annotated[dict[str, Any], Depends(reader)]) -> dict[str, Any]:
    """The same, for what only the role `admin` may do; else HTTPException 403."""
    if user["role"] != "admin":
        raise HTTPException(403, "only an administrator may do that")
    return user


def set_password(username: str, password: str) -> bool:
    """Whether there is such an account."""
    changed = store.db.users.update_one({"username": username}, {"$set": {"password": digest(password)}})
    return changed.matched_count == 1
