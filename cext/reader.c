/* Reading: one pread per file, no allocation, every record filled whatever happens; see slurmlens_cgroup.h. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "group.h"

int sl_read_text(int fd, char buffer[SL_TEXT_MAX], struct sl_text *text)
{
	ssize_t length = pread(fd, buffer, SL_TEXT_MAX, 0);

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

/* One file into the record; 0 or -errno, and then nothing of the file is in the record. */
static int read_file(const struct sl_file *file, int fd, char buffer[SL_TEXT_MAX], struct sl_reading *out)
{
	struct sl_text text;
	int rc = sl_read_text(fd, buffer, &text);

	if (rc == 0)
		rc = file->parse(file, text, out);
	if (rc != 0)
		drop_fields(out, file->fields);
	return rc;
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

static void read_group(struct sl_group *group, int tiers, char buffer[SL_TEXT_MAX], struct sl_reading *out)
{
	const struct sl_table *table = sl_table_of(group->hierarchy);
	int open_files = 0;

	memset(out, 0, sizeof(*out));
	for (int i = 0; i < table->count; i++) {
		int rc;

		if (group->fd[i] < 0)
			continue;
		open_files++;
		if (!(table->files[i].tier & tiers))
			continue;
		rc = read_file(&table->files[i], group->fd[i], buffer, out);
		if (rc == -ENODEV) {
			set_gone(out, ENODEV);
			return;
		}
		if (rc != 0 && !is_unavailable(rc))
			fail(out, -rc);
	}
	if (open_files == 0) {
		set_gone(out, group->folder_inode[0] || group->folder_inode[1] ? ENODEV : ENOENT);
		return;
	}
	if (group->children > 0 || group->settled[0] || group->settled[1])
		sl_read_child_events(group, tiers, buffer, out);
	drop_fields(out, out->have & ~group->wanted);
}

void sl_read_all(struct sl_group *const *groups, size_t n, int tiers, struct sl_reading *out)
{
	char buffer[SL_TEXT_MAX];

	for (size_t i = 0; i < n; i++)
		read_group(groups[i], tiers, buffer, &out[i]);
}
