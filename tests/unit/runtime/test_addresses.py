"""Which addresses are this host's, read without the netlink socket that the units forbid."""

from __future__ import annotations

import socket

import psutil
from hypothesis import given
from hypothesis import strategies as st

from slurmlens.runtime.addresses import local_ipv4, local_ipv6, own_addresses

FIB_TRIE = """\
Local:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 127.0.0.0/8 2 0 2
        +-- 127.0.0.0/31 1 0 0
           |-- 127.0.0.0
              /8 host LOCAL
           |-- 127.0.0.1
              /32 host LOCAL
        |-- 127.255.255.255
           /32 link BROADCAST
     |-- 192.0.2.2
        /32 host LOCAL
"""


def test_the_kernels_files_name_the_same_addresses_as_its_netlink_socket() -> None:
    by_netlink = {
        one.address.split("%")[0]
        for interface in psutil.net_if_addrs().values()
        for one in interface
        if one.family in (socket.AF_INET, socket.AF_INET6)
    }
    assert own_addresses() == by_netlink


def test_networks_broadcasts_and_routes_are_nobodys_address() -> None:
    assert local_ipv4(FIB_TRIE) == {"127.0.0.1", "192.0.2.2"}


def test_an_ipv6_address_is_written_as_the_socket_names_a_peer() -> None:
    assert local_ipv6("fe8000000000000000fc00fffe000001 04 40 20 80     eth0\nnonsense\n") == {"fe80::fc:ff:fe00:1"}


@given(st.text())
def test_no_text_of_the_kernel_ends_the_program(text: str) -> None:
    local_ipv4(text)
    local_ipv6(text)
