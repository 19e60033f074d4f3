/* Lines of a file, without memory of the heap; see lines.h. */
#include "lines.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define BUFFER_SIZE 4096

/* Hands on the whole lines of the buffer and moves the rest to its begin; -1: the taker has seen enough. */
static int hand_on(char *buffer, size_t *used, int *is_too_long, line_taker take, void *argument)
{
	char *begin = buffer, *end;
	while ((end = memchr(begin, '\n', *used - (size_t)(begin - buffer))) != NULL) {
		*end = 0;
		if (!*is_too_long && take(begin, argument))
			return -1;
		*is_too_long = 0;
		begin = end + 1;
	}
	*used -= (size_t)(begin - buffer);
	memmove(buffer, begin, *used);
	if (*used == BUFFER_SIZE) {
		*used = 0;
		*is_too_long = 1;
	}
	return 0;
}

void for_each_line(const char *path, line_taker take, void *argument)
{
	char buffer[BUFFER_SIZE];
	size_t used = 0;
	int is_too_long = 0;
	int file = open(path, O_RDONLY | O_CLOEXEC);
	if (file < 0)
		return;
	for (;;) {
		ssize_t count = read(file, buffer + used, BUFFER_SIZE - used);
		if (count <= 0)
			break;
		used += (size_t)count;
		if (hand_on(buffer, &used, &is_too_long, take, argument))
			break;
	}
	close(file);
}
