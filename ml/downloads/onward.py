"""Where a redirect of a mirror may lead: over HTTP, never from TLS to none, never from the world into this network."""

import ipaddress
import socket

import httpx

from ml.downloads.errors import NotOnMirrorError


def followed(url: httpx.URL, target: str) -> httpx.URL:
    """The next address. NotOnMirrorError for one that is not to be followed."""
    try:
        onward = url.join(target)
    except httpx.InvalidURL as error:
        raise NotOnMirrorError(
            f"{url.host} sends us to something that is no address.", detail=target
        ) from error
    if onward.scheme not in {"http", "https"} or (url.scheme == "https" and onward.scheme != "https"):
        raise NotOnMirrorError(f"{url.host} sends us to {onward.scheme}://, which is not followed.")
    if onward.host != url.host and is_inside(onward) and not is_inside(url):
        raise NotOnMirrorError(f"{url.host} sends us to {onward.host}, inside this network: not followed.")
    return onward


def is_inside(url: httpx.URL) -> bool:
    """Whether one of its addresses is no public one. A name that nobody knows here is none: a proxy may know it."""
    try:
        found = socket.getaddrinfo(url.host, url.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return False
    return any(not is_public(str(address[0])) for *_, address in found)


def is_public(text: str) -> bool:
    address = ipaddress.ip_address(text.partition("%")[0])
    inner = getattr(address, "ipv4_mapped", None)
    return (inner or address).is_global
