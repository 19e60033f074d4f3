"""`slurmlens-probe`: asks in a process of its own what can hang in the kernel, and is killed where it does.

`program` is that process: a line of JSON in, a line out, the standard library alone; `nvidia` and `amd` read GPUs in
it. `process` is the node daemon's end: it starts the program, waits a bounded time, kills and starts it again.
`node.remote_spaces` asks a network's file systems through it, `node.gpus` the GPUs.
"""
