"""A real broker that also listens with TLS, client certificates, and a login over TLS.

`tls_port` wants a certificate that the authority signed, `login_port` a user's password by PLAIN or SCRAM over TLS.
`port` stays what it is: plain, for the test's own consumers.
"""

from __future__ import annotations

from deploy.components.kafka import CLUSTER_ID, JAVA, Kafka, libraries, server_properties
from deploy.sandbox import Sandbox

from testkit.certificates import Authority, Identity

USER, PASSWORD = "slurmlens", "not-so-secret"
_MODULES = "org.apache.kafka.common.security"


class SecuredKafka(Kafka):
    """Shows `identity`, trusts whom `authority` signed."""

    def __init__(self, sandbox: Sandbox, identity: Identity, authority: Authority) -> None:
        super().__init__(sandbox, "secured-kafka")
        self.tls_port, self.login_port = sandbox.ports.take(), sandbox.ports.take()
        self._identity, self._authority = identity, authority

    def command(self) -> list[str]:
        properties = self.folder / "server.properties"
        server = self.folder / "server.pem"
        server.write_text(self._identity.key.read_text() + self._identity.certificate.read_text())
        trusted = self.folder / "ca.pem"
        trusted.write_text(self._authority.certificate.read_text())
        plain = server_properties(self.port, self._controller_port, self.folder / "data")
        addresses = f",SSL://localhost:{self.tls_port},SASL_SSL://localhost:{self.login_port}"
        lines = [
            line + addresses
            if line.startswith(("listeners=", "advertised.listeners="))
            else line + ",SSL:SSL,SASL_SSL:SASL_SSL"
            if line.startswith("listener.security.protocol.map=")
            else line
            for line in plain.splitlines()
        ]
        lines += [
            "ssl.keystore.type=PEM",
            f"ssl.keystore.location={server}",
            "ssl.truststore.type=PEM",
            f"ssl.truststore.location={trusted}",
            "listener.name.ssl.ssl.client.auth=required",
            "listener.name.sasl_ssl.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-512",
            f"listener.name.sasl_ssl.plain.sasl.jaas.config={_MODULES}.plain.PlainLoginModule required"
            f' user_{USER}="{PASSWORD}";',
            f"listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config={_MODULES}.scram.ScramLoginModule required;",
        ]
        properties.write_text("\n".join(lines) + "\n")
        java = [*JAVA, "-cp", f"{libraries()}/*"]
        if not (self.folder / "data").exists():
            user = f"SCRAM-SHA-512=[name={USER},password={PASSWORD}]"
            tool = ["kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", str(properties), "--add-scram", user]
            self._sandbox.run([*java, *tool], cwd=self.folder)
        return [*java, "kafka.Kafka", str(properties)]
