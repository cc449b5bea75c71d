"""What of the network's proxy this machine's own programs must not use."""

from __future__ import annotations

from collections.abc import MutableMapping

OWN_ADDRESSES = ("localhost", "127.0.0.1", "::1")
# Programs read either; the standard library, requests and gRPC prefer the first.
VARIABLES = ("no_proxy", "NO_PROXY")


def bypass_proxies_on_this_machine(environment: MutableMapping[str, str]) -> None:
    """Have this process and its children ask servers of this machine directly, which no proxy can reach.

    What the environment says already stays. It matters where `http_proxy` is set.
    """
    known = next((environment[name] for name in VARIABLES if environment.get(name)), "")
    if known.strip() == "*":
        return
    named = [entry.strip() for entry in known.split(",") if entry.strip()]
    wanted = ",".join([*named, *(own for own in OWN_ADDRESSES if own not in named)])
    environment.update(dict.fromkeys(VARIABLES, wanted))
