/* timed-NAME: runs slurmlens-NAME, which lies beside it, and appends to the file `times` there how long that took: a line
 * of nanoseconds. Named as Prolog or Epilog of a Slurm that is measured. */
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static long long now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

int main(int argc, char **argv)
{
	const char *name = argc > 0 ? strrchr(argv[0], '/') : NULL;
	if (name == NULL || strncmp(name, "/timed-", 7) != 0)
		return 0;
	char hook[4096], times[4096], line[32];
	const int folder = (int)(name - argv[0]);
	snprintf(hook, sizeof hook, "%.*s/slurmlens-%s", folder, argv[0], name + 7);
	snprintf(times, sizeof times, "%.*s/times", folder, argv[0]);
	const long long began_ns = now_ns();
	pid_t pid;
	int status = 0;
	argv[0] = hook;
	if (posix_spawn(&pid, hook, NULL, NULL, argv, environ) != 0)
		return 0;
	waitpid(pid, &status, 0);
	const int length = snprintf(line, sizeof line, "%lld\n", now_ns() - began_ns);
	const int file = open(times, O_WRONLY | O_CREAT | O_APPEND, 0644);
	if (file >= 0 && write(file, line, (size_t)length) == length)
		close(file);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
