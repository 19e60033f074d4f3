/* What stands behind the plugin's name in plugstack.conf. */
#ifndef SLURMLENS_ARGUMENTS_H
#define SLURMLENS_ARGUMENTS_H

struct arguments {
	int has_options; /* options=yes: srun, salloc and sbatch get --lens-… */
};

/* An argument that is not known is told to Slurm's debug log and changes nothing. */
struct arguments read_arguments(int count, char **arguments);

#endif
