/* burn "SECONDS [ALIVE_SECONDS]": uses that many CPU seconds, at the end of a life of so many, and says how many by its own
 * getrusage: the yardstick for short jobs. As interpreter of a batch script (`#!/…/burn 0.05 1`) it gets both in one
 * argument and the script's path after it; the job's only process is then this one. */
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

static void sleep_s(double seconds)
{
	const time_t whole_s = (time_t)seconds;
	const struct timespec asleep = {.tv_sec = whole_s, .tv_nsec = (long)((seconds - (double)whole_s) * 1e9)};
	nanosleep(&asleep, NULL);
}

int main(int argc, char **argv)
{
	char *rest = NULL;
	const double wanted_s = argc > 1 ? strtod(argv[1], &rest) : 0.0;
	const double alive_s = rest != NULL ? strtod(rest, NULL) : 0.0;
	volatile unsigned long work = 0;
	if (wanted_s <= 0.0) {
		fprintf(stderr, "usage: burn SECONDS, or burn \"SECONDS ALIVE_SECONDS\"\n");
		return 2;
	}
	if (alive_s > wanted_s)
		sleep_s(alive_s - wanted_s);
	while (used_s() < wanted_s)
		for (int i = 0; i < 10000; i++)
			work += (unsigned long)i;
	struct rusage usage;
	getrusage(RUSAGE_SELF, &usage);
	printf("burn: %.6f CPU s\n", (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	                                     1e-6 * (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec));
	return 0;
}
