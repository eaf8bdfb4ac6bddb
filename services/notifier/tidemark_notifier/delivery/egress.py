"""Which addresses a webhook may reach: internal ones only if ``TIDEMARK_WEBHOOK_ALLOW`` lists them. SPEC N5."""

import asyncio
import socket
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import NamedTuple

import httpcore
from httpcore import SOCKET_OPTION, AsyncNetworkStream
from pydantic import HttpUrl

Address = IPv4Address | IPv6Address

# The special-purpose ranges of IANA's registries and multicast, listed here because Python's own lists differ between
# its versions. Ranges within a range that is internal, and anycast services that nobody posts to, are not told apart.
_INTERNAL_IPV4 = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
            "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16",
            "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
        ),
    )
)  # fmt: skip
# Everything else in IPv6 is internal, reserved or multicast.
_GLOBAL_IPV6 = IPv6Network("2000::/3")
_INTERNAL_IPV6 = tuple(map(IPv6Network, ("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20")))
# A translator may map these to any IPv4 address. Only NAT64 is used to reach public addresses.
_NAT64 = IPv6Network("64:ff9b::/96")
_IPV4_BITS = 0xFFFFFFFF
_RESOLVE_TIMEOUT_SECONDS = 2


class ForbiddenAddressError(Exception):
    """A webhook's host resolves to an address that the policy forbids."""


class EgressPolicy(NamedTuple):
    """The hosts and networks that ``TIDEMARK_WEBHOOK_ALLOW`` lists."""

    hosts: frozenset[str] = frozenset()
    networks: tuple[IPv4Network | IPv6Network, ...] = ()

    @classmethod
    def parse(cls, allowed: str) -> "EgressPolicy":
        """Read a comma-separated list of hosts, addresses and networks (CIDR)."""
        hosts, networks = set(), []
        for entry in filter(None, (entry.strip() for entry in allowed.split(","))):
            try:
                networks.append(ip_network(entry))
            except ValueError:
                if "/" in entry or ":" in entry:
                    raise ValueError(
                        f"TIDEMARK_WEBHOOK_ALLOW contains {entry!r}, which is not a host, an address or a network "
                        "such as 10.0.0.0/8."
                    ) from None
                hosts.add(entry.casefold())
        return cls(frozenset(hosts), tuple(networks))

    async def resolve(self, host: str, port: int, *, secure: bool) -> list[str]:
        """Resolve ``host`` and check each address.

        Raises :class:`ForbiddenAddressError` if any address is forbidden, ``OSError`` if there is none.
        """
        try:
            resolved = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except UnicodeError as error:
            raise OSError(f"{host} is not a valid host name.") from error
        addresses = list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in resolved))
        for address in addresses:
            self.check(host, ip_address(address), secure=secure)
        return addresses

    def check(self, host: str, address: Address, *, secure: bool) -> None:
        """Raise :class:`ForbiddenAddressError` unless ``host`` may be reached at ``address``."""
        if host.casefold() in self.hosts or any(address in network for network in self.networks):
            return
        if is_internal(address):
            raise ForbiddenAddressError(
                f"{host} resolves to {address}, an internal address that TIDEMARK_WEBHOOK_ALLOW does not list."
            )
        if not secure:
            raise ForbiddenAddressError(f"{host} needs https, because TIDEMARK_WEBHOOK_ALLOW does not list it.")


def is_internal(address: Address) -> bool:
    """Whether it is not a public unicast address: loopback, private, link-local, multicast, reserved."""
    if isinstance(address, IPv4Address):
        return any(address in network for network in _INTERNAL_IPV4)
    if address.ipv4_mapped:
        return is_internal(address.ipv4_mapped)
    if address in _NAT64:
        return is_internal(IPv4Address(int(address) & _IPV4_BITS))
    return address not in _GLOBAL_IPV6 or any(address in network for network in _INTERNAL_IPV6)


def extract_host(url: HttpUrl) -> str:
    """The host of a URL, without the brackets of an IPv6 address."""
    return (url.host or "").strip("[]")


async def find_violation(policy: EgressPolicy, url: str) -> str | None:
    """Why the policy forbids a webhook's URL now; None if it does not, or if the host does not resolve.

    This gives early feedback when a rule is created. Every connection is checked again.
    """
    parsed = HttpUrl(url)
    try:
        async with asyncio.timeout(_RESOLVE_TIMEOUT_SECONDS):
            await policy.resolve(extract_host(parsed), parsed.port or 0, secure=parsed.scheme == "https")
    except ForbiddenAddressError as error:
        return str(error)
    except OSError:
        pass
    return None


class PolicyBackend(httpcore.AsyncNetworkBackend):
    """Connects to the addresses that were checked. Each connection resolves the host once.

    If the socket resolved the host again, the second result could be another, unchecked address.
    """

    def __init__(self, policy: EgressPolicy, *, secure: bool) -> None:
        self._policy, self._secure = policy, secure
        # httpcore declares this class again, for the case that anyio is missing.
        self._sockets: httpcore.AsyncNetworkBackend = httpcore.AnyIOBackend()  # pyright: ignore[reportAttributeAccessIssue, reportAssignmentType]

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
        for address in await self._policy.resolve(host, port, secure=self._secure):
            try:
                return await self._sockets.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure
