#!/bin/sh
# plain.sh PROGRAM ARGUMENTS: one of the workload programs, or any program, alone in the batch step.
PATH="$WORKLOADS:$PATH"
exec "$@"
