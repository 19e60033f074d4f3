/* A file of the kernel's, line by line. */
#ifndef SLURMLENS_LINES_H
#define SLURMLENS_LINES_H

/* Takes a line without its newline; answers other than 0 to see no more of them. */
typedef int (*line_taker)(const char *line, void *argument);

/* A file that cannot be read has no lines; a line longer than 4 KiB is passed over. */
void for_each_line(const char *path, line_taker take, void *argument);

#endif
