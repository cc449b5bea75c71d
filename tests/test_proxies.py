"""Servers of this machine are asked directly, whatever proxy the network has."""

from __future__ import annotations

import urllib.request

import pytest
import requests

from scopeline.proxies import bypass_proxies_on_this_machine

OWN = "localhost,127.0.0.1,::1,[::1]"


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({}, OWN),
        ({"no_proxy": ""}, OWN),
        ({"no_proxy": "store.example, .lab.example"}, f"store.example,.lab.example,{OWN}"),
        ({"NO_PROXY": "store.example"}, f"store.example,{OWN}"),
        ({"no_proxy": "one.example", "NO_PROXY": "other.example"}, f"one.example,other.example,{OWN}"),
        ({"no_proxy": "127.0.0.1"}, "127.0.0.1,localhost,::1,[::1]"),
    ],
)
def test_own_addresses_are_added_to_what_is_exempt(given: dict[str, str], wanted: str) -> None:
    environment = dict(given)
    for _ in range(2):
        bypass_proxies_on_this_machine(environment)
        assert environment == {"no_proxy": wanted, "NO_PROXY": wanted}


def test_no_proxy_for_anything_stays_so() -> None:
    environment = {"no_proxy": "*"}
    bypass_proxies_on_this_machine(environment)
    assert environment == {"no_proxy": "*"}


@pytest.mark.parametrize("host", ["127.0.0.1:4443", "localhost:80", "127.0.0.1", "[::1]:80"])
def test_libraries_follow_it(host: str) -> None:
    environment = {"http_proxy": "http://proxy.example:3128"}
    bypass_proxies_on_this_machine(environment)
    with pytest.MonkeyPatch.context() as patches:
        for name, value in environment.items():
            patches.setenv(name, value)
        assert urllib.request.proxy_bypass(host)
        assert requests.utils.get_environ_proxies(f"http://{host}/") == {}
        assert requests.utils.get_environ_proxies("http://store.example/") != {}
