"""What is installed on a node: a source a file, read by `slurmlens-probe`, told once a day and after a change.

`events.SOFTWARE_SOURCES` lists the sources; `reading` bounds what one of them tells and runs in the probe's process;
`stage` is the daemon's end. What a source reads may lie on a file system of the network, hence the process.
"""
