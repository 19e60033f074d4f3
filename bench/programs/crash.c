/* crash HOW: ends by the signal that the fault of that name raises; a file of /tmp for bus. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void touch_beyond_end(void)
{
	char name[] = "/tmp/crashXXXXXX";
	const int file = mkstemp(name);
	volatile char *page = mmap(NULL, 4096, PROT_READ, MAP_SHARED, file, 0);
	unlink(name);
	printf("%c", page[0]);
}

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "";
	volatile int zero = 0;
	if (strcmp(how, "pointer") == 0)
		*(volatile int *)(long)zero = 1;
	else if (strcmp(how, "assertion") == 0)
		abort();
	else if (strcmp(how, "division") == 0)
		printf("%d", 100 / zero);
	else if (strcmp(how, "instruction") == 0)
		__builtin_trap();
	else if (strcmp(how, "bus") == 0)
		touch_beyond_end();
	else
		return 2;
	return 0;
}
