"""DATABASE_URL and REDIS_URL as the dictionaries and addresses that Django, Celery and redis-py want."""

from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from alcoves.env import BadVariableError


def database(url: str) -> dict[str, Any]:
    """A Django DATABASES entry. `postgresql://user@/name?host=/socket/folder` is understood too."""
    parts, port_number = split(url)
    if parts.scheme not in {"postgres", "postgresql"}:
        raise BadVariableError(
            "DATABASE_URL must begin with postgresql:// ; Alcoves keeps its truth in Postgres only."
        )
    options: dict[str, Any] = dict(parse_qsl(parts.query))
    host = options.pop("host", None) or parts.hostname or ""
    threshold = options.pop("prepare_threshold", "0")
    port = options.pop("port", None) or (str(port_number) if port_number else "")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")) or "alcoves",
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": host,
        "PORT": port,
        "OPTIONS": options,
        # Of alcoves.prepared alone, which Django does not know. None: a pooler that cannot keep statements.
        "PREPARE_THRESHOLD": int(threshold) if threshold.isdecimal() else None,
    }


def split(url: str) -> tuple[SplitResult, int | None]:
    """The parts and the port. Python's own error would quote a piece of a password that is not encoded."""
    try:
        parts = urlsplit(url)
        return parts, parts.port
    except ValueError:
        raise BadVariableError(
            "DATABASE_URL cannot be read. Percent-encode what is not a letter or digit in its user and password."
        ) from None


def broker(url: str) -> str:
    """The same Redis as Celery's transport names it: unix:///p?db=1 becomes redis+socket:///p?virtual_host=1."""
    parts = urlsplit(url)
    if parts.scheme in {"redis", "rediss"}:
        return url
    if parts.scheme != "unix":
        raise BadVariableError("REDIS_URL must begin with redis://, rediss:// or unix:// .")
    number = dict(parse_qsl(parts.query)).get("db", "0")
    password = f":{parts.password}@" if parts.password else ""
    return f"redis+socket://{password}{parts.path}?virtual_host={number}"
