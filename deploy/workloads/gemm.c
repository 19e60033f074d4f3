/* A block matrix multiplication over MPI ranks: C = A * B, rows of A and C spread over the ranks, B sent round in panels.
 *
 *   gemm SIZE ROUNDS DELAY_MS
 *
 * Every round multiplies the whole of A and B once; after each panel the ranks rest DELAY_MS milliseconds, so that jobs of
 * different load can be made. The product is checked by Freivalds' method: C*x must equal A*(B*x) for a random x. Rank 0 prints
 * the time and the CPU seconds of all ranks by their own getrusage. Exit status 1 if the product is wrong. */
#include "slurmlens_progress.h"

#include <math.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define PANEL 64

struct matrices {
	int size, rows, first_row; /* this rank holds rows [first_row, first_row + rows) */
	double *a, *b, *c; /* rows x size each; b holds the same rows of B */
};

static double element_of_a(int row, int column)
{
	return (double)((row * 7 + column * 3) % 17) - 8.0;
}
static double element_of_b(int row, int column)
{
	return (double)((row * 5 + column * 11) % 13) - 6.0;
}

static double *allocate(size_t count)
{
	double *memory = calloc(count, sizeof *memory);
	if (memory == NULL) {
		fprintf(stderr, "gemm: no memory for %zu numbers\n", count);
		MPI_Abort(MPI_COMM_WORLD, 2);
	}
	return memory;
}

static void fill(struct matrices *m)
{
	for (int row = 0; row < m->rows; row++)
		for (int column = 0; column < m->size; column++) {
			m->a[(size_t)row * m->size + column] = element_of_a(m->first_row + row, column);
			m->b[(size_t)row * m->size + column] = element_of_b(m->first_row + row, column);
		}
}

/* Adds A(:, first..first+depth) * panel to C; the panel holds `depth` rows of B. */
static void multiply_panel(struct matrices *m, const double *panel, int first, int depth)
{
	for (int row = 0; row < m->rows; row++) {
		double *restrict out = m->c + (size_t)row * m->size;
		for (int k = 0; k < depth; k++) {
			const double factor = m->a[(size_t)row * m->size + first + k];
			const double *restrict in = panel + (size_t)k * m->size;
			for (int column = 0; column < m->size; column++)
				out[column] += factor * in[column];
		}
	}
}

/* Tells slurmlens after each panel how many of all rounds' panels are multiplied. */
static void one_round(struct matrices *m, double *panel, int ranks, int delay_ms, int round, int rounds)
{
	const int panels = m->size / PANEL;
	const int per_rank = m->size / ranks;
	const struct timespec rest = {delay_ms / 1000, (long)(delay_ms % 1000) * 1000000L};
	int rank;
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	memset(m->c, 0, (size_t)m->rows * m->size * sizeof *m->c);
	for (int first = 0; first < m->size; first += PANEL) {
		const int owner = first / per_rank;
		if (owner == rank)
			memcpy(panel, m->b + (size_t)(first - m->first_row) * m->size,
			       (size_t)PANEL * m->size * sizeof *panel);
		MPI_Bcast(panel, PANEL * m->size, MPI_DOUBLE, owner, MPI_COMM_WORLD);
		multiply_panel(m, panel, first, PANEL);
		slurmlens_progress((double)round * panels + first / PANEL + 1, (double)rounds * panels);
		if (delay_ms > 0)
			nanosleep(&rest, NULL);
	}
}

/* Freivalds: the integers involved are small enough to be exact in double. */
static int is_right(const struct matrices *m)
{
	double *x = allocate((size_t)m->size), *bx = allocate((size_t)m->size);
	int right = 1, all_right;
	for (int i = 0; i < m->size; i++)
		x[i] = (double)((i * 31) % 5) - 2.0;
	for (int row = 0; row < m->size; row++)
		for (int column = 0; column < m->size; column++)
			bx[row] += element_of_b(row, column) * x[column];
	for (int row = 0; row < m->rows; row++) {
		double expected = 0.0, got = 0.0;
		for (int k = 0; k < m->size; k++) {
			expected += element_of_a(m->first_row + row, k) * bx[k];
			got += m->c[(size_t)row * m->size + k] * x[k];
		}
		right = right && fabs(expected - got) < 0.5;
	}
	MPI_Allreduce(&right, &all_right, 1, MPI_INT, MPI_LAND, MPI_COMM_WORLD);
	free(x);
	free(bx);
	return all_right;
}

static double cpu_seconds(void)
{
	struct rusage usage;
	getrusage(RUSAGE_SELF, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	       1e-6 * (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

int main(int argc, char **argv)
{
	int rank, ranks;
	MPI_Init(&argc, &argv);
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	MPI_Comm_size(MPI_COMM_WORLD, &ranks);
	const int wanted = argc > 1 ? atoi(argv[1]) : 0, rounds = argc > 2 ? atoi(argv[2]) : 1,
	          delay_ms = argc > 3 ? atoi(argv[3]) : 0;
	if (wanted < 1 || wanted > 8192 || rounds < 1 || delay_ms < 0) {
		if (rank == 0)
			fprintf(stderr, "usage: gemm SIZE ROUNDS DELAY_MS (size 1 to 8192)\n");
		MPI_Finalize();
		return 2;
	}
	const int unit = PANEL * ranks; /* panels never straddle two ranks */
	struct matrices m = {.size = (wanted + unit - 1) / unit * unit};
	m.rows = m.size / ranks;
	m.first_row = rank * m.rows;
	const size_t count = (size_t)m.rows * m.size;
	m.a = allocate(count), m.b = allocate(count), m.c = allocate(count);
	double *panel = allocate((size_t)PANEL * m.size);
	fill(&m);
	const double began = MPI_Wtime();
	for (int round = 0; round < rounds; round++)
		one_round(&m, panel, ranks, delay_ms, round, rounds);
	const int right = is_right(&m);
	double mine = cpu_seconds(), sum = 0.0;
	MPI_Reduce(&mine, &sum, 1, MPI_DOUBLE, MPI_SUM, 0, MPI_COMM_WORLD);
	if (rank == 0)
		printf("gemm: size %d, %d ranks, %d rounds in %.2f s, %.3f CPU s, product %s\n", m.size, ranks, rounds,
		       MPI_Wtime() - began, sum, right ? "right" : "WRONG");
	free(m.a), free(m.b), free(m.c), free(panel);
	MPI_Finalize();
	return right ? 0 : 1;
}
