#!/bin/sh
# For sites that have a Prolog and an Epilog of their own. One line in each of them, run or sourced, anywhere:
#
#     /usr/libexec/slurmlens/slurmlens-hook.sh
#
# It finds out from SLURM_SCRIPT_CONTEXT which of the two it is in. Its status is 0 whatever happens, also under
# `set -e` and `set -u`; it prints nothing, reads nothing and waits for nothing (slurm_hooks/emit.c).
/usr/libexec/slurmlens/slurmlens-hook </dev/null >/dev/null 2>&1 || :
