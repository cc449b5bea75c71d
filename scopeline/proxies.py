"""What of the network's proxy this machine's own programs must not use."""

from __future__ import annotations

from collections.abc import MutableMapping

# Some libraries compare what stands in an address with its brackets, others without.
OWN_ADDRESSES = ("localhost", "127.0.0.1", "::1", "[::1]")
# Programs read either.
VARIABLES = ("no_proxy", "NO_PROXY")


def bypass_proxies_on_this_machine(environment: MutableMapping[str, str]) -> None:
    """Have this process and its children ask servers of this machine directly, which no proxy can reach.

    What the environment says already stays. It matters where `http_proxy` is set.
    """
    known = ",".join(environment.get(name, "") for name in VARIABLES)
    named = [entry.strip() for entry in known.split(",") if entry.strip()]
    if "*" in named:
        return
    wanted = ",".join(dict.fromkeys([*named, *OWN_ADDRESSES]))
    environment.update(dict.fromkeys(VARIABLES, wanted))
