/*
 * The SPANK plugin: what Slurm calls, and which context each call is for. One file a context:
 *
 *     LOCAL, ALLOCATOR   srun, salloc, sbatch        submission.c   options that only set environment variables
 *     REMOTE             slurmstepd of every step    slurmstepd.c   the step's start, exit codes, counters, end
 *     SLURMD, JOB_SCRIPT slurmd, Prolog and Epilog                  nothing: the hook programs do that (../emit.c)
 *
 * Invariants: every call answers ESPANK_SUCCESS, whatever happens; no thread, child or signal of ours; nothing waits.
 * The exported names are those of spank.map and no others: a callback that is not there costs Slurm nothing, and one for
 * Prolog or Epilog would make slurmd start a process for it.
 */
#include "arguments.h"
#include "slurmstepd.h"
#include "submission.h"

#include <slurm/spank.h>

#pragma GCC visibility push(default)

SPANK_PLUGIN(slurmlens, 1)

int slurm_spank_init(spank_t spank, int count, char **arguments)
{
	struct arguments told = read_arguments(count, arguments);
	switch (spank_context()) {
	case S_CTX_LOCAL:
	case S_CTX_ALLOCATOR:
	case S_CTX_REMOTE: /* a step that was started with an option of ours must know it */
		if (told.has_options)
			register_options(spank);
		break;
	default:
		break;
	}
	return ESPANK_SUCCESS;
}

/* For each task, and once for extern, which has none. */
int slurm_spank_task_post_fork(spank_t spank, int count, char **arguments)
{
	(void)count;
	(void)arguments;
	if (spank_context() == S_CTX_REMOTE)
		task_forked(spank);
	return ESPANK_SUCCESS;
}

int slurm_spank_task_exit(spank_t spank, int count, char **arguments)
{
	(void)count;
	(void)arguments;
	if (spank_context() == S_CTX_REMOTE)
		task_ended(spank);
	return ESPANK_SUCCESS;
}

int slurm_spank_exit(spank_t spank, int count, char **arguments)
{
	(void)spank;
	(void)count;
	(void)arguments;
	if (spank_context() == S_CTX_REMOTE)
		step_ended();
	return ESPANK_SUCCESS;
}

#pragma GCC visibility pop
