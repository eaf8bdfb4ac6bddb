"""Where a webhook may lead: to no internal address that ``TIDEMARK_WEBHOOK_ALLOW`` does not name. SPEC N5."""

import asyncio
import socket
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import NamedTuple

import httpcore
from httpcore import SOCKET_OPTION, AsyncNetworkStream
from pydantic import HttpUrl

Address = IPv4Address | IPv6Address

# Forms of IPv6 that a translator may turn into any IPv4 address. Of these only the first is used to reach public ones.
_TRANSLATED = ip_network("64:ff9b::/96")
_TUNNELLED = (ip_network("2002::/16"), ip_network("2001::/32"))
_IPV4_BITS = 0xFFFFFFFF
_GLANCE_SECONDS = 2


class ForbiddenAddressError(Exception):
    """A webhook leads to where it may not, in a sentence."""


class Guard(NamedTuple):
    """What ``TIDEMARK_WEBHOOK_ALLOW`` names: hosts, by name, and networks."""

    hosts: frozenset[str] = frozenset()
    networks: tuple[IPv4Network | IPv6Network, ...] = ()

    @classmethod
    def of(cls, allowed: str) -> "Guard":
        """From hosts, addresses and networks (CIDR) with commas between."""
        hosts, networks = set(), []
        for word in filter(None, (word.strip() for word in allowed.split(","))):
            try:
                networks.append(ip_network(word))
            except ValueError:
                if "/" in word or ":" in word:
                    raise ValueError(
                        f"TIDEMARK_WEBHOOK_ALLOW names {word!r}, no host, address or network such as 10.0.0.0/8."
                    ) from None
                hosts.add(word.casefold())
        return cls(frozenset(hosts), tuple(networks))

    async def addresses(self, host: str, port: int, *, secure: bool) -> list[str]:
        """The addresses of ``host`` as it resolves now, each of them checked.

        Raises :class:`ForbiddenAddressError` where any may not be reached, ``OSError`` where there are none.
        """
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except UnicodeError as error:
            raise OSError(f"{host} is no name of a host.") from error
        addresses = list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))
        for address in addresses:
            self.check(host, ip_address(address), secure=secure)
        return addresses

    def check(self, host: str, address: Address, *, secure: bool) -> None:
        """Raises :class:`ForbiddenAddressError` unless ``host`` may be reached at ``address``."""
        if host.casefold() in self.hosts or any(address in network for network in self.networks):
            return
        if is_internal(address):
            raise ForbiddenAddressError(
                f"{host} is at {address}, an internal address that TIDEMARK_WEBHOOK_ALLOW does not name."
            )
        if not secure:
            raise ForbiddenAddressError(f"{host} is not named in TIDEMARK_WEBHOOK_ALLOW, and needs https.")


def is_internal(address: Address) -> bool:
    """Whether it is no public address of one machine: loopback, private, link-local, multicast, reserved."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped:
            return is_internal(address.ipv4_mapped)
        if address in _TRANSLATED:
            return is_internal(IPv4Address(int(address) & _IPV4_BITS))
        if address.is_site_local or any(address in network for network in _TUNNELLED):
            return True
    return not address.is_global or address.is_multicast or address.is_reserved


def host_of(url: HttpUrl) -> str:
    """The host of a URL as it is resolved: without the brackets of an IPv6 address."""
    return (url.host or "").strip("[]")


async def refusal(guard: Guard, url: str) -> str | None:
    """Why a webhook may not lead there as things stand; None where it may, or where its host does not resolve now.

    For whoever makes a rule, to learn it at once. What holds is checked at every connection.
    """
    read = HttpUrl(url)
    try:
        async with asyncio.timeout(_GLANCE_SECONDS):
            await guard.addresses(host_of(read), read.port or 0, secure=read.scheme == "https")
    except ForbiddenAddressError as error:
        return str(error)
    except OSError:
        pass
    return None


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """Connects to the very addresses that were checked: a name is resolved once for each connection.

    Were it resolved here and again by the socket, it could lead elsewhere the second time.
    """

    def __init__(self, guard: Guard, *, secure: bool) -> None:
        self._guard, self._secure, self._sockets = guard, secure, httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's
        local_address: str | None = None,
        socket_options: Iterable[SOCKET_OPTION] | None = None,
    ) -> AsyncNetworkStream:
        """Try each address of the host in turn."""
        failure: Exception = httpcore.ConnectError(f"{host} has no address.")
        for address in await self._guard.addresses(host, port, secure=self._secure):
            try:
                return await self._sockets.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure
