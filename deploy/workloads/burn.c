/* burn SECONDS: uses that many CPU seconds and says how many by its own getrusage: the yardstick for short jobs. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

static double used_s(void)
{
	struct timespec used;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
	return (double)used.tv_sec + 1e-9 * (double)used.tv_nsec;
}

int main(int argc, char **argv)
{
	const double wanted_s = argc > 1 ? atof(argv[1]) : 0.0;
	volatile unsigned long work = 0;
	if (wanted_s <= 0.0) {
		fprintf(stderr, "usage: burn SECONDS\n");
		return 2;
	}
	while (used_s() < wanted_s)
		for (int i = 0; i < 10000; i++)
			work += (unsigned long)i;
	struct rusage usage;
	getrusage(RUSAGE_SELF, &usage);
	printf("burn: %.6f CPU s\n", (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	                                     1e-6 * (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec));
	return 0;
}
