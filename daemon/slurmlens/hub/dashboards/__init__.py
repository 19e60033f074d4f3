"""Boards of curves for whoever already looks at Grafana: what is on them (pure), and how Grafana writes that down.

`inputs` is what boards are made from; `overview`, `partition`, `node`, `user`, `job` and `any_job` make one kind of
board each, `all_boards` all of a cluster; `model` is what a board is; `targets` asks Graphite for our series; `curves`
are the panels that several boards share; `logs` is the board of log lines, `line_queries` asks for them; `grafana`
makes JSON of a board. Fed by the hub's views; `slurmlens
dashboards` writes.
"""
