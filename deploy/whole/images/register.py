"""register.py keep|deregister NAME ADDRESS: keeps this container's slurmd known to Consul, or takes it away.

Standard library alone. `keep` never ends by itself; a Consul that is away, or has forgotten the service, is told anew.
"""

import json
import sys
import time
import urllib.request

AGENT = "http://consul:8500/v1/agent"
BEAT_S = 10.0
RETRY_S = 1.0


def main() -> int:
    verb, name, address = sys.argv[1:]
    if verb == "deregister":
        return 0 if tell(f"service/deregister/{name}") else 1
    meta = {"node": name, "features": "compute"}
    body = {"ID": name, "Name": "slurmd", "Address": address, "Port": 6818, "Meta": meta, "Check": {"TTL": "30s"}}
    while True:
        is_known = tell(f"check/pass/service:{name}") or tell("service/register", body)
        time.sleep(BEAT_S if is_known else RETRY_S)


def tell(path: str, body: object = None) -> bool:
    """Whether the agent took it."""
    data = b"" if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{AGENT}/{path}", data=data, method="PUT")
    try:
        urllib.request.urlopen(request, timeout=5).close()
    except OSError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
