"""The settings that decide who comes in: the secret, the public address, hosts and the proxy."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from django.conf import settings
from django.http.request import validate_host

from alcoves.doctor.findings import Finding, failure, note, ok, warning
from alcoves.settings import weak

LOCAL = {"localhost", "127.0.0.1", "::1"}


def check_secret() -> Iterator[Finding]:
    if weak.is_weak_key(settings.SECRET_KEY):
        yield failure(
            "ALCOVES_SECRET_KEY can be guessed: whoever does can be anybody here.",
            "Make another with: openssl rand -base64 48. People must then log in again.",
        )
    else:
        yield ok("The signing secret is long and random.")
    database = settings.DATABASES.get("default", {})
    if "HOST" in database and weak.has_weak_password(database):
        yield warning(
            "The database has no password, or one that everybody knows.", "Give its user a random one."
        )


def check_address() -> Iterator[Finding]:
    parts = urlsplit(settings.PUBLIC_URL)
    host = parts.hostname or ""
    if parts.scheme not in {"http", "https"} or not host:
        yield failure("ALCOVES_PUBLIC_URL is no address.", "Write it as https://media.example.org")
        return
    if not validate_host(host, settings.ALLOWED_HOSTS):
        yield failure(
            f"{host} is the public host and is not answered to.", "Add it to ALCOVES_ALLOWED_HOSTS."
        )
    if "*" in settings.ALLOWED_HOSTS:
        yield warning("Any host name is answered to.", "Name yours in ALCOVES_ALLOWED_HOSTS.")
    if settings.PUBLIC_URL not in settings.CSRF_TRUSTED_ORIGINS:
        yield warning("Forms of the public address are refused.", "Add it to ALCOVES_TRUSTED_ORIGINS.")
    yield from about_tls(parts.scheme, host)
    yield ok(f"People come by {settings.PUBLIC_URL}.")


def about_tls(scheme: str, host: str) -> Iterator[Finding]:
    behind = bool(getattr(settings, "SECURE_PROXY_SSL_HEADER", None))
    if scheme == "http" and host not in LOCAL:
        yield warning(
            "People come without TLS: passwords can be read on the way.", "Put a TLS proxy in front."
        )
    if scheme == "https" and not behind:
        yield warning(
            "A TLS proxy is in front, and what it says is not believed.", "Set ALCOVES_BEHIND_PROXY=true."
        )
    if scheme == "http" and behind:
        yield note(
            "A proxy is believed, and people come without TLS.",
            "Set ALCOVES_PUBLIC_URL to https:// if they do.",
        )
    if settings.DEBUG:
        yield failure(
            "DEBUG is on: errors tell strangers too much.", "Use the settings alcoves.settings.production."
        )
