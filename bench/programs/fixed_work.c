/*
 * Fixed work quantum: the same small computation again and again, each one timed. What makes one of them longer than the
 * others is noise: interrupts, other processes, the daemon.
 *
 * Touches no memory beyond the table of durations, makes no system call in the loop (clock_gettime is in the vDSO). One
 * thread is pinned to one CPU.
 *
 * Usage: fixed_work CPU SECONDS        prints {"quanta": …, "p50_ns": …, "p99_9_ns": …, "mean_ns": …}
 */
#define _GNU_SOURCE
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ROUNDS_PER_QUANTUM 40000 /* some 0.1 ms */
#define QUANTA_MAX 4000000

static int64_t now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

/* A dependent chain of integer operations that no compiler can shorten and no cache can help. */
static uint64_t work(uint64_t state)
{
	for (int round = 0; round < ROUNDS_PER_QUANTUM; round++) {
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
	}
	return state;
}

static int ascending(const void *left, const void *right)
{
	uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
	return (a > b) - (a < b);
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: fixed_work CPU SECONDS\n");
		return 2;
	}
	cpu_set_t cpus;
	CPU_ZERO(&cpus);
	CPU_SET(atoi(argv[1]), &cpus);
	if (sched_setaffinity(0, sizeof cpus, &cpus)) {
		perror("sched_setaffinity");
		return 1;
	}
	uint32_t *durations = calloc(QUANTA_MAX, sizeof *durations);
	if (!durations)
		return 1;
	uint64_t state = 88172645463325252ULL;
	size_t count = 0;
	int64_t end_ns = now_ns() + (int64_t)(atof(argv[2]) * 1e9);
	double total_ns = 0;
	for (int64_t before = now_ns(); before < end_ns && count < QUANTA_MAX;) {
		state = work(state);
		int64_t after = now_ns();
		durations[count++] = (uint32_t)(after - before);
		total_ns += (double)(after - before);
		before = after;
	}
	qsort(durations, count, sizeof *durations, ascending);
	printf("{\"quanta\": %zu, \"p50_ns\": %u, \"p99_9_ns\": %u, \"mean_ns\": %.1f, \"state\": %llu}\n", count,
	       durations[count / 2], durations[count - 1 - count / 1000], total_ns / (double)count,
	       (unsigned long long)state);
	return 0;
}
