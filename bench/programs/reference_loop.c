/*
 * The floor: a bare pread() loop over the same files that the daemon reads, at the same tiers and intervals.
 *
 * It parses nothing, emits nothing, keeps every descriptor open. What it costs is what the kernel charges for the
 * counters themselves, so daemon / this loop is what slurmlens adds. Built twice: as a program (run beside the daemon, at a
 * rate) and as a shared object (called from the process that also calls our reader, pass by pass, for P1).
 *
 * Usage: reference_loop LIST INTERVAL_MS
 * LIST holds lines "EVERY PATH": the file is read at each tick whose number EVERY divides. Ticks fall in the middle between
 * two multiples of the interval on the wall clock, where the daemon's ticks are: the two can run at the same time.
 * Ends at SIGTERM; prints how many reads failed.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define BUFFER_BYTES 8191
#define LINE_BYTES 4352
#define NS_PER_S 1000000000LL

struct file {
	int descriptor;
	long every;
};

/* Reads every descriptor once; returns how many reads failed. Exported for the shared object. */
long reference_pass(const int *descriptors, long count)
{
	char buffer[BUFFER_BYTES];
	long failed = 0;
	for (long index = 0; index < count; index++)
		failed += pread(descriptors[index], buffer, sizeof buffer, 0) < 0;
	return failed;
}

static volatile sig_atomic_t ended;

static void end(int number)
{
	(void)number;
	ended = 1;
}

/* Opens the files of the list; a path that is gone is a failure of the whole run: the comparison would be false. */
static struct file *open_list(const char *list_path, long *count)
{
	FILE *list = fopen(list_path, "r");
	char line[LINE_BYTES];
	struct file *files = NULL;
	*count = 0;
	while (list && fgets(line, sizeof line, list)) {
		long every;
		int path_begin;
		if (sscanf(line, "%ld %n", &every, &path_begin) != 1 || every < 1)
			continue;
		for (char *end = line + path_begin; *end; end++)
			if (*end == '\n')
				*end = '\0';
		files = realloc(files, (size_t)(*count + 1) * sizeof *files);
		files[*count].every = every;
		files[*count].descriptor = open(line + path_begin, O_RDONLY | O_CLOEXEC);
		if (files[*count].descriptor < 0) {
			perror(line + path_begin);
			exit(1);
		}
		++*count;
	}
	if (list)
		fclose(list);
	return files;
}

/* Reads what is due at this tick; returns how many reads failed. */
static long read_due(const struct file *files, long count, long tick)
{
	char buffer[BUFFER_BYTES];
	long failed = 0;
	for (long index = 0; index < count; index++) {
		if (tick % files[index].every)
			continue;
		failed += pread(files[index].descriptor, buffer, sizeof buffer, 0) < 0;
	}
	return failed;
}

/* Sleeps until the next middle of an interval. */
static void wait_for_tick(long long interval_ns)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	long long due_ns = now.tv_sec * NS_PER_S + now.tv_nsec + interval_ns / 2;
	due_ns = due_ns / interval_ns * interval_ns + interval_ns / 2;
	struct timespec due = {due_ns / NS_PER_S, due_ns % NS_PER_S};
	while (!ended && clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &due, NULL) == EINTR)
		continue;
}

int main(int argc, char **argv)
{
	if (argc != 3 || atol(argv[2]) < 1) {
		fprintf(stderr, "usage: reference_loop LIST INTERVAL_MS\n");
		return 2;
	}
	long count, tick = 0;
	long long interval_ns = atoll(argv[2]) * 1000000LL;
	struct sigaction at_end = {.sa_handler = end};
	sigaction(SIGTERM, &at_end, NULL);
	struct file *files = open_list(argv[1], &count);
	if (count == 0) {
		fprintf(stderr, "reference_loop: no files in %s\n", argv[1]);
		return 1;
	}
	/* The first read of a descriptor allocates its buffer: not steady state. */
	long failed = read_due(files, count, tick);
	for (wait_for_tick(interval_ns); !ended; wait_for_tick(interval_ns))
		failed += read_due(files, count, ++tick);
	printf("%ld\n", failed);
	return 0;
}
