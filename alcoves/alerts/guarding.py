"""Where a webhook may lead. The address is checked when the connection is made, which then goes to no other."""

import ipaddress
import socket
from typing import Any, Final, TypeAlias

import httpx
from django.conf import settings

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
COMPATIBLE: Final = ipaddress.ip_network("::/96")
NOBODYS: Final = (
    ipaddress.ip_network("64:ff9b:1::/48"),
    ipaddress.ip_network("fec0::/10"),
    ipaddress.ip_network("192.88.99.0/24"),
)
"""Translators of some network, what was site-local once, and relays to it: Python takes them for public."""


class ForbiddenAddressError(Exception):
    """The webhook leads to where it must not."""


class Guarded(httpx.BaseTransport):
    """Looks the name up, refuses what is not allowed, and connects to the address that it looked at, no other."""

    def __init__(self) -> None:
        self.inner = httpx.HTTPTransport(retries=0, trust_env=False)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        host = request.url.host
        error: httpx.TransportError = httpx.ConnectError(f"{host} has no address", request=request)
        for address in addresses(host, request.url.port or (443 if request.url.scheme == "https" else 80)):
            try:
                return self.inner.handle_request(pinned(request, address))
            except (httpx.ConnectError, httpx.ConnectTimeout) as failed:
                error = failed
        raise error

    def close(self) -> None:
        self.inner.close()


def pinned(request: httpx.Request, address: Address) -> httpx.Request:
    """The same request to that address. The name stays in Host, and is what the certificate must be for."""
    extensions: dict[str, Any] = {**request.extensions, "sni_hostname": request.url.host}
    return httpx.Request(
        request.method,
        request.url.copy_with(host=str(address)),
        headers=request.headers,
        stream=request.stream,
        extensions=extensions,
    )


def addresses(host: str, port: int) -> list[Address]:
    """All addresses of a name. ForbiddenAddressError where one of them is forbidden: the next look-up may give that."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise httpx.ConnectError(f"nobody knows the name {host}") from error
    given = [ipaddress.ip_address(str(one[4][0]).partition("%")[0]) for one in found]
    for address in given:
        if not allowed(address):
            kind = "LOOPBACK" if innermost(address).is_loopback else "PRIVATE"
            raise ForbiddenAddressError(
                f"The webhook leads to {address}, which is not in the public network. Correct its address, or set "
                f"ALCOVES_ALERT_WEBHOOK_{kind}=true if it is yours."
            )
    return list(dict.fromkeys(given))


def allowed(address: Address) -> bool:
    """Public ones. Your own network, or this machine, where that is said; what is nobody's, never."""
    inner = innermost(address)
    if inner.is_link_local or inner.is_multicast or inner.is_unspecified or inner in METADATA:
        return False
    if any(inner in network for network in NOBODYS):
        return False
    if inner.is_loopback:
        return bool(settings.ALERT_WEBHOOK_LOOPBACK)
    return bool(settings.ALERT_WEBHOOK_PRIVATE) or inner.is_global


METADATA: Final = frozenset(
    map(ipaddress.ip_address, ("169.254.169.254", "fd00:ec2::254", "100.100.100.200", "168.63.129.16"))
)
"""Where clouds tell a machine its secrets."""


def innermost(address: Address) -> Address:
    """The IPv4 address inside an IPv6 one that stands for it."""
    if isinstance(address, ipaddress.IPv6Address):
        if address in NAT64 or (address in COMPATIBLE and int(address) > 1):
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        return address.ipv4_mapped or address.sixtofour or address
    return address
