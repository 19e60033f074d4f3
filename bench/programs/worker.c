/*
 * One small process for one benchmark cgroup: it keeps the counters moving and costs next to nothing.
 *
 * Owns no file and no socket. Dies with the benchmark that started it (PR_SET_PDEATHSIG), so a killed benchmark leaves no
 * process behind; `tree.py` removes the empty folders at its next start.
 *
 * Usage: worker SEED
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define MEMORY_BYTES (1024 * 1024)
#define PAGE_BYTES 4096
#define TOUCHED_PAGES 8

/* Faults a few pages in and gives them back, so that memory's counters change between two samples. */
static void churn(char *memory, unsigned *seed)
{
	size_t pages = MEMORY_BYTES / PAGE_BYTES;
	size_t first = (size_t)rand_r(seed) % (pages - TOUCHED_PAGES);
	char *begin = memory + first * PAGE_BYTES;
	madvise(begin, TOUCHED_PAGES * PAGE_BYTES, MADV_DONTNEED);
	for (size_t page = 0; page < TOUCHED_PAGES; page++)
		begin[page * PAGE_BYTES] = (char)page;
}

int main(int argc, char **argv)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() == 1)
		return 1;
	unsigned seed = argc > 1 ? (unsigned)atoi(argv[1]) : 1;
	char *memory = mmap(NULL, MEMORY_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return 1;
	memset(memory, 1, MEMORY_BYTES);
	for (;;) {
		churn(memory, &seed);
		struct timespec pause = {0, 700L * 1000 * 1000 + rand_r(&seed) % (200L * 1000 * 1000)};
		nanosleep(&pause, NULL);
	}
}
