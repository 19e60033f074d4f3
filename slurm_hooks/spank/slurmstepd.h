/* The context of slurmstepd, which runs one step on one node: batch script, extern, interactive, or one of srun. */
#ifndef SLURMLENS_SLURMSTEPD_H
#define SLURMLENS_SLURMSTEPD_H

#include <slurm/spank.h>

void task_forked(spank_t spank);
void task_ended(spank_t spank);
void step_ended(void);

#endif
