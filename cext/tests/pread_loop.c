/*
 * What reading costs beside the bare system calls (target P1): the same kept descriptors, read by a loop that only calls
 * pread and by sl_read_all, taking turns. Prints a line "TIERS FILES BARE_NS READER_NS RATIO" for the fast tier and for
 * both: medians of CPU time per round. argv: rounds, v1|v2, then folders (v1: cpuacct's and memory's of each cgroup in turn).
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <stdio.h>

#include "group.h"

static uint64_t cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static uint64_t median(uint64_t *values, long count)
{
	qsort(values, (size_t)count, sizeof(*values), compare);
	return values[count / 2];
}

static long bare_loop(struct sl_group *const *groups, long count, int tiers)
{
	static char buffer[SL_TEXT_MAX];
	long files = 0;

	for (long i = 0; i < count; i++) {
		const struct sl_table *table = sl_table_of(groups[i]->hierarchy);

		for (int j = 0; j < table->count; j++) {
			if (groups[i]->fd[j] < 0 || !(table->files[j].tier & tiers))
				continue;
			if (pread(groups[i]->fd[j], buffer, sizeof(buffer), 0) < 0)
				exit(1);
			files++;
		}
	}
	return files;
}

static void compare_loops(struct sl_group *const *groups, long count, int tiers, long rounds)
{
	uint64_t *bare = calloc((size_t)rounds, sizeof(*bare)), *reader = calloc((size_t)rounds, sizeof(*reader));
	struct sl_reading *out = calloc((size_t)count, sizeof(*out));
	long files = 0;

	for (long round = 0; round < rounds; round++) {
		uint64_t start = cpu_ns(), middle;

		files = bare_loop(groups, count, tiers);
		middle = cpu_ns();
		sl_read_all(groups, (size_t)count, tiers, out);
		reader[round] = cpu_ns() - middle;
		bare[round] = middle - start;
	}
	printf("%s %ld %lu %lu %.3f\n", tiers == SL_TIER_FAST ? "fast" : "both", files, median(bare, rounds),
	       median(reader, rounds), (double)reader[rounds / 2] / (double)bare[rounds / 2]);
	free(bare);
	free(reader);
	free(out);
}

int main(int argc, char **argv)
{
	long rounds = argc > 3 ? strtol(argv[1], NULL, 10) : 0;
	int folders = argc > 3 && strcmp(argv[2], "v1") == 0 ? 2 : 1;
	long count = (argc - 3) / folders;
	struct sl_group *all = calloc((size_t)(count > 0 ? count : 1), sizeof(*all));
	struct sl_group **groups = calloc((size_t)(count > 0 ? count : 1), sizeof(*groups));

	if (rounds <= 0 || all == NULL || groups == NULL)
		return 2;
	for (long i = 0; i < count; i++) {
		groups[i] = &all[i];
		sl_init(&all[i], folders == 2 ? SL_V1 : SL_V2, ~UINT64_C(0));
		for (int folder = 0; folder < folders; folder++) {
			int directory = open(argv[3 + i * folders + folder], O_PATH | O_DIRECTORY | O_CLOEXEC);

			if (directory < 0 || sl_open_files(&all[i], folder, directory) < 0)
				return 1;
			close(directory);
		}
	}
	compare_loops(groups, count, SL_TIER_FAST, rounds);
	compare_loops(groups, count, SL_TIER_FAST | SL_TIER_SLOW, rounds);
	return 0;
}
