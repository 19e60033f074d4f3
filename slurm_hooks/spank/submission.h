/* The context of srun, salloc and sbatch. */
#ifndef SLURMLENS_SUBMISSION_H
#define SLURMLENS_SUBMISSION_H

#include <slurm/spank.h>

/*
 * --lens-interval, --lens-progress, --lens-tag and --lens-off, which set the variables of requests.h and nothing else.
 * Off unless plugstack.conf says options=yes: a script with `#SBATCH --lens-tag=x` is refused wherever the plugin is not.
 */
void register_options(spank_t spank);

#endif
