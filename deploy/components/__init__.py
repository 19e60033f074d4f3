"""The real servers that the daemon talks to, each fetched or built once into the cache and started in a sandbox.

`server.Server` is what they have in common, `fetch.py` gets programs into the cache, and `python3 -m deploy.components`
fetches whatever is not there yet. Versions are pinned in `modules/*/go.mod`, in `modules/*/pom.xml`, or by suite.
"""
