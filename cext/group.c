/* Opening and closing of a cgroup's files; see slurmlens_cgroup.h. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files.h"
#include "group.h"

const struct sl_table *sl_table_of(int hierarchy)
{
	switch (hierarchy) {
	case SL_V1:
		return &sl_table_v1;
	case SL_V2:
		return &sl_table_v2;
	default:
		return &sl_table_node_pressure;
	}
}

void sl_init(struct sl_group *group, int hierarchy, uint64_t wanted)
{
	memset(group, 0, sizeof(*group));
	group->hierarchy = hierarchy;
	group->files = sl_table_of(hierarchy)->count;
	group->wanted = wanted;
	for (int i = 0; i < SL_FILES_MAX; i++)
		group->fd[i] = -1;
}

/* Is this the folder that we opened first? A new job's folder can take the name of a dead one's. */
static int check_folder(struct sl_group *group, int folder, int directory_fd)
{
	struct stat status;

	if (fstat(directory_fd, &status) != 0)
		return -errno;
	if (!S_ISDIR(status.st_mode))
		return -ENOTDIR;
	if (group->folder_inode[folder] == 0)
		group->folder_inode[folder] = status.st_ino;
	return group->folder_inode[folder] == status.st_ino ? 0 : -ESTALE;
}

/* A file that is not there or may not be read is unavailable; only want of descriptors or memory is an error. */
static int is_shortage(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOMEM;
}

int sl_open_files(struct sl_group *group, int folder, int directory_fd)
{
	const struct sl_table *table = sl_table_of(group->hierarchy);
	int opened = 0;
	int rc;

	if (folder < 0 || folder >= table->folders)
		return -EINVAL;
	rc = check_folder(group, folder, directory_fd);
	if (rc)
		return rc;
	for (int i = 0; i < table->count; i++) {
		const struct sl_file *file = &table->files[i];

		if (file->folder != folder || group->fd[i] >= 0 || !(file->fields & group->wanted))
			continue;
		group->fd[i] = openat(directory_fd, file->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
		if (group->fd[i] >= 0)
			opened++;
		else if (is_shortage(errno))
			return -errno;
	}
	return opened;
}

uint64_t sl_open_fields(const struct sl_group *group)
{
	const struct sl_table *table = sl_table_of(group->hierarchy);
	uint64_t fields = 0;

	for (int i = 0; i < table->count; i++) {
		if (group->fd[i] >= 0)
			fields |= table->files[i].fields;
	}
	return fields & group->wanted;
}

uint64_t sl_hierarchy_fields(int hierarchy)
{
	const struct sl_table *table = sl_table_of(hierarchy);
	uint64_t fields = 0;

	for (int i = 0; i < table->count; i++)
		fields |= table->files[i].fields;
	return fields;
}

int sl_field_tier(int hierarchy, int field)
{
	const struct sl_table *table = sl_table_of(hierarchy);

	for (int i = 0; i < table->count; i++) {
		if (table->files[i].fields & SL_BIT(field))
			return table->files[i].tier;
	}
	return 0;
}

void sl_close(struct sl_group *group)
{
	for (int i = 0; i < SL_FILES_MAX; i++) {
		if (group->fd[i] >= 0)
			close(group->fd[i]);
		group->fd[i] = -1;
	}
	sl_close_children(group);
}
