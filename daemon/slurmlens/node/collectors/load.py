"""Load and run queue: `/proc/loadavg` (proc_loadavg(5)): `0.20 0.18 0.12 1/80 11206`."""

from collections.abc import Iterator

from slurmlens.node.collectors.look import MachineLook, Sample


def read(look: MachineLook) -> Iterator[Sample]:
    """See `look`."""
    text = look.files.text("proc/loadavg")
    if text is None:
        return
    one, five, fifteen, queue, *_ = text.split()
    running, _, tasks = queue.partition("/")
    yield Sample("load_1min_count", "", float(one))
    yield Sample("load_5min_count", "", float(five))
    yield Sample("load_15min_count", "", float(fifteen))
    yield Sample("run_queue_count", "", int(running))
    yield Sample("tasks_count", "", int(tasks))
