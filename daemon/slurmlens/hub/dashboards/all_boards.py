"""All boards of a cluster, one of each kind's makers after the other."""

from __future__ import annotations

from collections.abc import Iterator

from slurmlens.hub.dashboards.account import account_board
from slurmlens.hub.dashboards.any_job import any_job_board
from slurmlens.hub.dashboards.inputs import ClusterInputs
from slurmlens.hub.dashboards.job import job_board
from slurmlens.hub.dashboards.logs import logs_board, with_lines
from slurmlens.hub.dashboards.model import Board
from slurmlens.hub.dashboards.node import node_board
from slurmlens.hub.dashboards.overview import overview_board
from slurmlens.hub.dashboards.partition import partition_board
from slurmlens.hub.dashboards.user import user_board


def all_boards(inputs: ClusterInputs) -> Iterator[Board]:
    """Every board that this cluster has now, in one order for ever."""
    store = inputs.line_store
    for board in _boards(inputs):
        yield board if store is None else with_lines(board, store)
    if store is not None:
        yield logs_board(inputs.cluster, store)


def _boards(inputs: ClusterInputs) -> Iterator[Board]:
    yield overview_board(inputs)
    yield any_job_board(inputs.cluster)
    members: dict[str, list[str]] = {}
    for node in inputs.nodes:
        for partition in node.partitions:
            members.setdefault(partition, []).append(node.name)
    for partition in inputs.partitions:
        yield partition_board(inputs.cluster, partition, members.get(partition, []))
    for node in inputs.nodes:
        yield node_board(inputs.cluster, node)
    for user in inputs.users:
        yield user_board(inputs.cluster, user, [job for job in inputs.jobs if job.user == user])
    for account in inputs.accounts:
        yield account_board(inputs.cluster, account, [job for job in inputs.jobs if job.account == account])
    for job in inputs.jobs:
        yield job_board(inputs.cluster, job)
