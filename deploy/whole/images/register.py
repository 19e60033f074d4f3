"""register.py register|deregister NAME ADDRESS: tells Consul of this container's slurmd, or takes it away. Standard
library alone; tried again for a minute, for Consul may still be on its way.
"""

import json
import sys
import time
import urllib.request

CONSUL = "http://consul:8500/v1/agent/service"
TRIES = 60


def main() -> int:
    verb, name, address = sys.argv[1:]
    check = {"TCP": f"{address}:6818", "Interval": "10s", "Timeout": "2s"}
    meta = {"node": name, "features": "compute"}
    body = {"ID": name, "Name": "slurmd", "Address": address, "Port": 6818, "Meta": meta, "Check": check}
    path = "register" if verb == "register" else f"deregister/{name}"
    for _ in range(TRIES):
        request = urllib.request.Request(f"{CONSUL}/{path}", data=json.dumps(body).encode(), method="PUT")
        try:
            urllib.request.urlopen(request, timeout=5).close()
        except OSError:
            time.sleep(1)
        else:
            return 0
    return 1


if __name__ == "__main__":
    sys.exit(main())
