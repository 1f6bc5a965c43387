"""The settings that decide who comes in: the secret, the public address, hosts and the proxy."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from django.conf import settings
from django.http.request import validate_host

from alcoves.alerts.rules import access
from alcoves.doctor.findings import Finding, failure, note, ok, told, warning


def check_secret() -> Iterator[Finding]:
    found = [told(one) for one in access.weak_settings()]
    yield from found or [ok("The signing secret is long and random, and nothing lets strangers in.")]


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
    yield from about_tls(parts.scheme)
    yield ok(f"People come by {settings.PUBLIC_URL}.")


def about_tls(scheme: str) -> Iterator[Finding]:
    behind = bool(getattr(settings, "SECURE_PROXY_SSL_HEADER", None))
    if scheme == "https" and not behind:
        yield warning(
            "A TLS proxy is in front, and what it says is not believed.", "Set ALCOVES_BEHIND_PROXY=true."
        )
    if scheme == "http" and behind:
        yield note(
            "A proxy is believed, and people come without TLS.",
            "Set ALCOVES_PUBLIC_URL to https:// if they do.",
        )
