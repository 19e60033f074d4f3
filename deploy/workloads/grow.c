/* grow MIB: takes that much memory in steps of 4 MiB, ten a second, touching every page, and keeps it for a second. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define STEP_MIB 4

int main(int argc, char **argv)
{
	const int wanted_mib = argc > 1 ? atoi(argv[1]) : 0;
	const struct timespec pause = {0, 100000000L}, hold = {1, 0};
	if (wanted_mib <= 0) {
		fprintf(stderr, "usage: grow MIB\n");
		return 2;
	}
	for (int mib = 0; mib < wanted_mib; mib += STEP_MIB) {
		char *memory = malloc((size_t)STEP_MIB << 20);
		if (memory == NULL)
			return 1;
		memset(memory, mib + 1, (size_t)STEP_MIB << 20);
		nanosleep(&pause, NULL);
	}
	printf("grow: %d MiB taken\n", wanted_mib);
	nanosleep(&hold, NULL);
	return 0;
}
