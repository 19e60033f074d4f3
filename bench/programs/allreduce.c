/*
 * The job that feels noise most: ranks that wait for each other all the time. MPI_Allreduce of one double, each call timed
 * on rank 0; a rank that is disturbed anywhere makes this one late.
 *
 * Usage: mpiexec -n RANKS allreduce SECONDS     rank 0 prints {"calls": …, "p50_ns": …, "p99_9_ns": …}
 */
#include <mpi.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define CALLS_MAX 20000000
#define CALLS_PER_CHECK 64

static int ascending(const void *left, const void *right)
{
	uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
	return (a > b) - (a < b);
}

/* Times CALLS_PER_CHECK calls into `durations_ns`. */
static void reduce_some(uint32_t *durations_ns)
{
	double mine = 1, sum;
	for (int call = 0; call < CALLS_PER_CHECK; call++) {
		double before = MPI_Wtime();
		MPI_Allreduce(&mine, &sum, 1, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
		durations_ns[call] = (uint32_t)((MPI_Wtime() - before) * 1e9);
	}
}

int main(int argc, char **argv)
{
	MPI_Init(&argc, &argv);
	if (argc != 2)
		MPI_Abort(MPI_COMM_WORLD, 2);
	int rank;
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	uint32_t *durations_ns = malloc(CALLS_MAX * sizeof *durations_ns);
	if (!durations_ns)
		MPI_Abort(MPI_COMM_WORLD, 1);
	size_t count = 0;
	int going = 1;
	double end_s = MPI_Wtime() + atof(argv[1]);
	while (going) {
		reduce_some(durations_ns + count);
		count += CALLS_PER_CHECK;
		going = MPI_Wtime() < end_s && count + CALLS_PER_CHECK <= CALLS_MAX;
		MPI_Bcast(&going, 1, MPI_INT, 0, MPI_COMM_WORLD); /* outside the timed calls: rank 0 decides for all */
	}
	if (rank == 0) {
		qsort(durations_ns, count, sizeof *durations_ns, ascending);
		printf("{\"calls\": %zu, \"p50_ns\": %u, \"p99_9_ns\": %u}\n", count, durations_ns[count / 2],
		       durations_ns[count - 1 - count / 1000]);
	}
	free(durations_ns);
	return MPI_Finalize();
}
