/* Where a step is: which node's it is, and in which cgroups it is counted. */
#ifndef SLURMLENS_STEP_PLACE_H
#define SLURMLENS_STEP_PLACE_H

#define LONGEST_NODE 256
#define LONGEST_PATH 1024

/*
 * Out of /proc/self/cgroup, which the kernel writes and no user can forge. Texts that are not known are "".
 * `step` is the step's folder below a cgroup mount, as in /slurm_n0/uid_0/job_7/step_0.
 */
struct step_place {
	char node[LONGEST_NODE]; /* told only where Slurm was built for several slurmd a host */
	char sluid[LONGEST_NODE]; /* where the job's folder is called by it (Slurm 25.11 and later) */
	char step[LONGEST_PATH];
	int is_v2;
};

/* Folders that hold the counters: v1 cpuacct and memory; v2 one, without slurmstepd's own use, and the second is "". */
struct counter_folders {
	char path[2][LONGEST_PATH];
};

struct step_place find_step_place(void);

/* Needs the list of mounts, which is long on some machines: asked for once a step. */
struct counter_folders find_counter_folders(const struct step_place *place);

#endif
