#!/bin/bash
# gemm.sh SIZE ROUNDS DELAY_MS ERR_NODE FAIL_AFTER_S: the MPI workload, over all ranks of the job. WORKLOADS is its folder.
set -eu
. "$WORKLOADS/fault.sh"
fail_later "$4" "$5"
work srun --mpi=pmi2 "$WORKLOADS/gemm" "$1" "$2" "$3"
finish
