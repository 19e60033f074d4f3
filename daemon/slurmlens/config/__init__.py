"""What an admin may set: frozen dataclasses (`node`, `hub`), read strictly from TOML (`load`).

Defaults live in the dataclasses alone; the shipped files in `etc/slurmlens/` are generated from them (`render`).
"""
