"""Settings of what the hub tells people by itself; without the table `[notices]` it tells nobody anything.

Made by `load.load_hub` as part of `hub.HubConfig`; read by `hub.notices`.
"""

from collections.abc import Iterator
from pathlib import Path

from slurmlens.config.setting import Settings, optional_section, setting


class MailConfig(Settings):
    """The mail server that takes what the hub sends."""

    host: str = setting("localhost", "the SMTP server")
    port: int = setting(587, "its port: 587 for STARTTLS, 465 for TLS, 25", minimum=1, maximum=65_535)
    security: str = setting("starttls", "how the connection is protected", choices=("none", "starttls", "tls"))
    sender: str = setting(
        "slurmlens@localhost",
        "the address that mails come from",
        pattern=r"[^@\s<>]+@[^@\s<>]+",
        pattern_text="a mail address, name@host",
    )
    user: str | None = setting(None, "who the hub is to that server, where it asks", example='"slurmlens"')
    password_file: Path | None = setting(
        None, "holds the password on one line; must not be open to everybody", example='"/etc/slurmlens/mail-password"'
    )

    ca_file: Path | None = setting(
        None, "who may sign its certificate, where not the system's authorities", example='"/etc/slurmlens/ca.pem"'
    )

    def problems(self) -> Iterator[tuple[str, str]]:
        if self.user is not None and self.password_file is None:
            yield "password_file", "a user without a password: name the file that holds it"
        if self.user is not None and self.security == "none":
            yield "security", "the password would cross the network as it is: set starttls or tls"


class NoticesConfig(Settings):
    """Where notices may go, and how many of one user."""

    web_address: str | None = setting(
        None, "what links begin with; without it notices have no link", example='"https://slurmlens.example.org"'
    )
    webhook_hosts: tuple[str, ...] = setting(
        (),
        "hosts that webhooks may be at, with their port where it is none of the web's; none where empty",
        example='["chat.example.org", "bots.example.org:8443"]',
    )
    mail: MailConfig | None = optional_section("how mails leave; without it nobody is sent one")
    operator_digests: tuple[str, ...] = setting(
        (), "who is mailed each day what ended, which nodes are out and what is open", example='["ops@example.org"]'
    )
    most_an_hour: int = setting(20, "notices of one user in an hour; more of them wait", minimum=1)
