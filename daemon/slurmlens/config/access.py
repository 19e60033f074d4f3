"""Settings of who may see what on the hub; without the table `[access]` the hub shows everything, on loopback alone.

Made by `load.load_hub` as part of `hub.HubConfig`; read by `hub.access`. People are named as Unix names, groups as
`@GROUP`. What a list of people says is decided for each request anew, so that a role ends with its line.
"""

from collections.abc import Iterator, Mapping
from ipaddress import ip_network
from pathlib import Path

from slurmlens.config.setting import Settings, optional_section, setting

HEADER_PATTERN = r"[A-Za-z][A-Za-z0-9-]{0,62}"
HEADER_TEXT = "the name of an HTTP header, letters, digits and '-'"


class ProxyConfig(Settings):
    """A web server in front that knows its users: who it may be, and how it tells them."""

    addresses: tuple[str, ...] = setting(
        ("127.0.0.1", "::1"), "from where the proxy connects: addresses or networks as 10.0.0.0/28"
    )
    secret_file: Path | None = setting(
        None,
        "holds the secret that the proxy sends along, 16 characters at least, closed to others; must be set",
        example='"/etc/slurmlens/proxy-secret"',
    )
    secret_header: str = setting(
        "X-Slurmlens-Proxy-Secret", "the header with that secret", pattern=HEADER_PATTERN, pattern_text=HEADER_TEXT
    )
    user_header: str = setting(
        "X-Forwarded-User", "the header with the user's name", pattern=HEADER_PATTERN, pattern_text=HEADER_TEXT
    )
    user_suffix: str | None = setting(
        None,
        "what every name must end with, and is without it on this cluster; names are taken as they are where not set",
        example='"@example.org"',
    )

    def problems(self) -> Iterator[tuple[str, str]]:
        if self.secret_file is None:
            yield "secret_file", "an address alone proves nothing: name the file of the secret that the proxy sends"
        for address in self.addresses:
            try:
                ip_network(address)
            except ValueError:
                yield "addresses", f"{address!r} is no address and no network: write 10.0.0.7 or 10.0.0.0/28"


class AccessConfig(Settings):
    """Roles, what a user sees of others, and how people prove who they are."""

    operators: tuple[str, ...] = setting(
        ("root",), "see all jobs and the hub's own state: users, or groups as @GROUP", example='["root", "@hpc-admins"]'
    )
    management: tuple[str, ...] = setting((), "see sums over all, and single jobs as users do", example='["@heads"]')
    auditors: tuple[str, ...] = setting((), "see who looked at whose job", example='["dpo"]')
    users_see: str = setting(
        "accounts",
        "what users see: their own jobs, also those of their accounts, or all",
        choices=("own", "accounts", "all"),
    )
    members: tuple[str, ...] = setting(
        (),
        "who belongs to which account, beside what slurmdbd says: ACCOUNT USER…; a job's own word is never believed",
        example='["physics alice bob"]',
    )
    coordinators: tuple[str, ...] = setting(
        (),
        "who sees all jobs of an account, beside slurmdbd's coordinators: ACCOUNT USER…",
        example='["physics carol"]',
    )
    web_address: str | None = setting(
        None,
        "where browsers find the hub, for the links of `slurmlens login`; made of [listen] where not set",
        example='"https://hub.example.org"',
        pattern=r"https?://[^\s/]+/?",
        pattern_text="http://HOST:PORT or https://HOST",
    )
    socket_path: Path | None = setting(
        None,
        "the Unix socket on which local users are known by the kernel's word; hub.socket in runtime_path where not set",
        example='"/run/slurmlens-hub/hub.socket"',
    )
    accounts_interval_s: float = setting(
        300.0, "time between two questions to slurmdbd for accounts and coordinators", minimum=10, maximum=86_400
    )
    link_s: float = setting(300.0, "how long a link of `slurmlens login` is good, once", minimum=10, maximum=86_400)
    session_s: float = setting(43_200.0, "how long a browser stays logged in", minimum=60, maximum=30 * 86_400)
    looks_kept_days: float = setting(180.0, "how long it is kept who looked at whose job", minimum=1, maximum=3_660)
    proxy: ProxyConfig | None = optional_section("a web server in front that says who its users are")

    def problems(self) -> Iterator[tuple[str, str]]:
        for key in ("members", "coordinators"):
            for line in getattr(self, key):
                if len(line.split()) < 2:
                    yield key, f"{line!r} names an account and nobody: write ACCOUNT USER…"


def people_by_account(lines: tuple[str, ...]) -> Mapping[str, frozenset[str]]:
    """Users by account out of lines `ACCOUNT USER…`; several lines of one account add up."""
    people: dict[str, frozenset[str]] = {}
    for account, *users in map(str.split, lines):
        people[account] = people.get(account, frozenset()).union(users)
    return people
