/* Reading: one pread per file, no allocation, every record filled whatever happens; see slurmlens_cgroup.h. */
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "group.h"

/*
 * pread without being a point at which a thread can be cancelled, which costs every call of a process with threads two
 * atomic exchanges. Where a register is too small for an offset, the C library knows how it is handed over.
 */
static ssize_t read_from_begin(int fd, char *buffer, size_t size)
{
#if defined(__LP64__) && defined(SYS_pread64)
	return syscall(SYS_pread64, fd, buffer, size, 0L);
#else
	return pread(fd, buffer, size, 0);
#endif
}

int sl_read_text(int fd, char buffer[SL_TEXT_MAX], struct sl_text *text)
{
	ssize_t length = read_from_begin(fd, buffer, SL_TEXT_MAX);

	if (length < 0)
		return -errno;
	if (length == SL_TEXT_MAX)
		return -EFBIG;
	text->at = buffer;
	text->end = buffer + length;
	return 0;
}

/* Values whose bit is not set are 0. */
static void drop_fields(struct sl_reading *out, uint64_t fields)
{
	out->have &= ~fields;
	for (; fields; fields &= fields - 1)
		out->value[__builtin_ctzll(fields)] = 0;
}

static void fail(struct sl_reading *out, int error)
{
	if (out->error == 0)
		out->error = error;
	out->failed_files++;
}

static void set_gone(struct sl_reading *out, int error)
{
	memset(out, 0, sizeof(*out));
	out->error = error;
}

/* A kernel without pressure accounting has its files, and answers so. */
static int is_unavailable(int rc)
{
	return rc == -EOPNOTSUPP;
}

/* What one file of a group said: the text, or why there is none. */
struct answer {
	const struct sl_file *file;
	int rc;
	struct sl_text text;
};

/* Reads the files of the wanted tiers, one behind the other, into `room`; how many, or -ENODEV: the cgroup has gone. */
static int read_texts(const struct sl_group *group, int tiers, char *room, struct answer answers[SL_FILES_MAX])
{
	const struct sl_table *table = sl_table_of(group->hierarchy);
	int count = 0;

	for (int i = 0; i < table->count; i++) {
		struct answer *answer = &answers[count];

		if (group->fd[i] < 0 || !(table->files[i].tier & tiers))
			continue;
		answer->file = &table->files[i];
		answer->rc = sl_read_text(group->fd[i], room, &answer->text);
		if (answer->rc == -ENODEV)
			return -ENODEV;
		if (answer->rc == 0)
			room = (char *)answer->text.end;
		count++;
	}
	return count;
}

/* One file's text into the record; what fails leaves nothing of the file in it. */
static void take_answer(const struct answer *answer, struct sl_reading *out)
{
	int rc = answer->rc;

	if (rc == 0)
		rc = sl_parse_file(answer->file, answer->text, out);
	if (rc == 0)
		return;
	drop_fields(out, answer->file->fields);
	if (!is_unavailable(rc))
		fail(out, -rc);
}

static int has_open_files(const struct sl_group *group)
{
	for (int i = 0; i < SL_FILES_MAX; i++) {
		if (group->fd[i] >= 0)
			return 1;
	}
	return 0;
}

/*
 * Reads first and parses then: a system call throws the processor's predictions away, and alternating costs each file twice
 * (docs/performance.md, P1).
 */
static void read_group(struct sl_group *group, int tiers, char *room, struct sl_reading *out)
{
	struct answer answers[SL_FILES_MAX];
	int count = read_texts(group, tiers, room, answers);

	if (count == -ENODEV) {
		set_gone(out, ENODEV);
		return;
	}
	memset(out, 0, sizeof(*out));
	for (int i = 0; i < count; i++)
		take_answer(&answers[i], out);
	if (count == 0 && !has_open_files(group)) {
		set_gone(out, group->folder_inode[0] || group->folder_inode[1] ? ENODEV : ENOENT);
		return;
	}
	if (group->children > 0 || group->settled[0] || group->settled[1])
		sl_read_child_events(group, tiers, room, out);
	drop_fields(out, out->have & ~group->wanted);
}

void sl_read_all(struct sl_group *const *groups, size_t n, int tiers, struct sl_reading *out)
{
	/* Only as much of it is ever touched as the files say. */
	char room[SL_FILES_MAX * SL_TEXT_MAX];

	for (size_t i = 0; i < n; i++)
		read_group(groups[i], tiers, room, &out[i]);
}

static int64_t monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

void sl_read_in_parts(struct sl_group *const *groups, const size_t *ends, size_t parts, int tiers,
                      struct sl_reading *out, long busy_ns, long rest_ns)
{
	const struct timespec rest = {0, rest_ns};
	int64_t since_ns = monotonic_ns();

	for (size_t part = 0, begin = 0; part < parts; begin = ends[part++]) {
		sl_read_all(groups + begin, ends[part] - begin, tiers, out + begin);
		if (rest_ns > 0 && (part + 1 == parts || monotonic_ns() - since_ns >= busy_ns)) {
			nanosleep(&rest, NULL);
			since_ns = monotonic_ns();
		}
	}
}
