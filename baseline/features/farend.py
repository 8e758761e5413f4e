"""What counts as the same far end of an edge, where the log names more than anybody means.

Pure. An address behind a public service changes by the hour, so public addresses count by their network (/24, /64) and
domains by the part somebody registered. A private address is one machine of ours, and another one in its network is
what lateral movement looks like: it stays whole. So do names below a suffix that strangers share, because a thief's
bucket has the same suffix as our own.

Ports from 32768 are handed out for one conversation (passive FTP, RPC, a reply taken for a call): towards one peer they
are one port. The log names no source port, so the condition "and the peer's own port is lower" cannot be asked; a first
such port towards a peer is new all the same.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from baseline.domain.edge import EdgeKey, Peer, PeerKind

EPHEMERAL_FROM = 32_768  # Linux hands out 32768 to 60999, Windows and IANA 49152 to 65535
V4_PREFIX, V6_PREFIX = 24, 64
_CACHED = 262_144

# Second levels under which countries register names (co.uk, com.au); a public suffix list is 200 KB that go stale.
_SECOND_LEVELS = frozenset({"ac", "co", "com", "edu", "gov", "net", "or", "org", "ne", "go"})
# Suffixes below which anybody may rent a name: a name there is known whole or not at all. By judgement, the large ones.
_SHARED = (
    "amazonaws.com", "cloudfront.net", "awsapprunner.com", "windows.net", "azurewebsites.net", "azureedge.net",
    "cloudapp.azure.com", "googleapis.com", "googleusercontent.com", "appspot.com", "run.app", "web.app",
    "firebaseio.com", "cloudfunctions.net", "github.io", "githubusercontent.com", "gitlab.io", "pages.dev",
    "workers.dev", "r2.dev", "vercel.app", "netlify.app", "herokuapp.com", "onrender.com", "fly.dev", "ngrok.io",
    "ngrok.app", "ngrok-free.app", "trycloudflare.com", "digitaloceanspaces.com", "backblazeb2.com",
    "duckdns.org", "no-ip.org", "dyndns.org", "sharepoint.com", "cluster.local", "svc", "internal", "local",
)  # fmt: skip


@lru_cache(maxsize=_CACHED)
def far_end(key: EdgeKey) -> EdgeKey:
    """The edge under which novelty is counted; itself where the log's name is already what is meant."""
    peer = _peer(key.peer)
    port = EPHEMERAL_FROM if key.port is not None and key.port > EPHEMERAL_FROM else key.port
    return key if peer is key.peer and port == key.port else EdgeKey(key.direction, peer, port, key.protocol)


def _peer(peer: Peer) -> Peer:
    if peer.kind is PeerKind.ADDRESS:
        name = network_of(peer.name)
    elif peer.kind is PeerKind.DOMAIN:
        name = registered_domain(peer.name)
    else:
        return peer
    return peer if name == peer.name else Peer(peer.kind, peer.namespace, name)


def network_of(address: str) -> str:
    """The network of a public address (``20.1.2.0/24``); any other text as it is."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    if not found.is_global:
        return address
    prefix = V4_PREFIX if isinstance(found, IPv4Address) else V6_PREFIX
    return str(ip_network((found, prefix), strict=False))


def registered_domain(name: str) -> str:
    """The part of a domain that one owner registered: ``a.b.example.co.uk`` -> ``example.co.uk``."""
    plain = name.rstrip(".").lower()
    if any(plain == suffix or plain.endswith("." + suffix) for suffix in _SHARED):
        return plain
    parts = plain.split(".")
    is_country = len(parts) > 2 and len(parts[-1]) == 2 and parts[-2] in _SECOND_LEVELS
    return ".".join(parts[-3 if is_country else -2 :])
