/*
 * The closed list: of the environment of Prolog and Epilog these variables are taken and no others.
 *
 * They say which job this is, whose, where, which of its runs, and how it ended: all of that kind that Slurm 22.05 to 26.05
 * offers. What a user writes freely (working folder, output files, SPANK options) is left out on purpose; comment and
 * dependencies are taken from the hooks of slurmctld alone, which speak once a job and not once a node.
 * `daemon/slurmlens/wire/hook_variables.py` reads them; a test compares the two lists.
 *
 * In the order of their worth: where the sum of all is too long for one event, the last ones are left out.
 * No pointers in this table: the program has no loader that could relocate them.
 */
#ifndef SLURMLENS_VARIABLES_H
#define SLURMLENS_VARIABLES_H

#define LONGEST_NAME 28

struct variable {
	unsigned char length;
	char name[LONGEST_NAME + 1];
};

#define VARIABLE(text) {sizeof(text) - 1, text}
#define FROM_SLURMCTLD(text) VARIABLE(text)

static const struct variable VARIABLES[] = {
        VARIABLE("SLURM_JOB_ID"),
        VARIABLE("SLURM_JOBID"),
        VARIABLE("SLURM_CLUSTER_NAME"),
        VARIABLE("SLURMD_NODENAME"),
        VARIABLE("SLURM_JOB_SLUID"),
        VARIABLE("SLURM_JOB_RESTART_COUNT"),
        VARIABLE("SLURM_JOB_START_TIME"),
        VARIABLE("SLURM_JOB_END_TIME"),
        VARIABLE("SLURM_JOB_UID"),
        VARIABLE("SLURM_UID"),
        VARIABLE("SLURM_JOB_USER"),
        VARIABLE("SLURM_JOB_GID"),
        VARIABLE("SLURM_JOB_GROUP"),
        VARIABLE("SLURM_JOB_ACCOUNT"),
        VARIABLE("SLURM_JOB_PARTITION"),
        VARIABLE("SLURM_JOB_QOS"),
        VARIABLE("SLURM_JOB_EXIT_CODE2"),
        VARIABLE("SLURM_JOB_EXIT_CODE"),
        VARIABLE("SLURM_JOB_DERIVED_EC"),
        VARIABLE("SLURM_ARRAY_JOB_ID"),
        VARIABLE("SLURM_ARRAY_TASK_ID"),
        VARIABLE("SLURM_HET_JOB_ID"),
        VARIABLE("SLURM_PACK_JOB_ID"),
        VARIABLE("SLURM_HET_JOB_OFFSET"),
        VARIABLE("SLURM_PACK_JOB_OFFSET"),
        VARIABLE("SLURM_JOB_NUM_NODES"),
        VARIABLE("SLURM_NNODES"),
        VARIABLE("SLURM_JOB_NTASKS"),
        VARIABLE("SLURM_NTASKS"),
        VARIABLE("SLURM_JOB_CPUS_PER_NODE"),
        VARIABLE("SLURM_JOB_GPUS"),
        VARIABLE("SLURM_SCRIPT_CONTEXT"),
        VARIABLE("SLURM_JOB_NAME"),
        VARIABLE("SLURM_JOB_NODELIST"),
        VARIABLE("SLURM_NODELIST"),
        FROM_SLURMCTLD("SLURM_JOB_DEPENDENCY"),
        FROM_SLURMCTLD("SLURM_JOB_COMMENT"),
};

#define VARIABLE_COUNT (sizeof(VARIABLES) / sizeof(VARIABLES[0]))
/* The last so many are those FROM_SLURMCTLD. */
#define SLURMCTLD_VARIABLES 2

#endif
