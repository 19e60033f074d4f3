/*
 * The way into the dropbox; see dropbox.h. Used by the emitter, which has no C library, and by the SPANK plugin.
 *
 * Invariants: an event is complete in the dropbox, or not there at all; nothing here waits; no argument and no variable
 * says where it goes, the folders are compiled in; the modes alone decide who may read, whatever the caller's umask.
 */
#include "dropbox.h"
#include "system.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* A counter of lost events stops here: nothing that we write grows for ever. */
#define MOST_LOST (1024 * 1024)
#define LONGEST_JOB_ID 10
#define FILE_MODE 0640

/* A sentence that ends with the folder it is about. */
#define IN_BASE(delivery, words) ((delivery)->is_controllers ? words CONTROLLER_BASE : words DROPBOX_BASE)

int hooks_are_off(void)
{
	return CALL(SYS_faccessat, AT_FDCWD, OFF_FLAG, F_OK) == 0 ||
	       CALL(SYS_faccessat, AT_FDCWD, SILENCE_FLAG, F_OK) == 0;
}

/* ---- what becomes of an event that cannot be written ---- */

static const char *name_of(const struct delivery *delivery)
{
	return delivery->role ? delivery->role : "unknown";
}

static void count_lost(const struct delivery *delivery)
{
	char path[sizeof(CONTROLLER_LOST_FOLDER) + 20] = {0};
	struct text text = text_in(path, sizeof(path) - 1);
	int flags = O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
	append(&text, delivery->is_controllers ? CONTROLLER_LOST_FOLDER "/" : LOST_FOLDER "/");
	append(&text, name_of(delivery));
	long file = CALL(SYS_openat, AT_FDCWD, path, flags, 0644);
	if (file < 0)
		return;
	if (CALL(SYS_lseek, file, 0, SEEK_END) < MOST_LOST)
		CALL(SYS_write, file, ".", 1);
	CALL(SYS_close, file);
}

/* 0, or -errno where nobody takes it at once. */
static long send_to(const struct sockaddr_un *address, const struct text *message)
{
	long channel = CALL(SYS_socket, AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (channel < 0)
		return channel;
	long sent = CALL(SYS_sendto, channel, message->start, message->used, MSG_DONTWAIT | MSG_NOSIGNAL, address,
	                 sizeof(*address));
	CALL(SYS_close, channel);
	return sent < 0 ? sent : 0;
}

static int is_job_id(const char *text)
{
	size_t length = 0;
	while (text && text[length] >= '0' && text[length] <= '9')
		length++;
	return length > 0 && length <= LONGEST_JOB_ID && !text[length];
}

static void append_loss(struct text *message, const struct delivery *delivery, const char *reason, long number)
{
	append(message, "event of job ");
	append(message, is_job_id(delivery->job_id) ? delivery->job_id : "?");
	append(message, " is lost: ");
	append(message, reason);
	if (number) {
		append(message, number < 0 ? ", errno " : " ");
		append_number(message, (uint64_t)(number < 0 ? -number : number), 1);
	}
}

/* An entry of the journal with fields of its own (systemd's native protocol: NAME=value lines, no value holds a newline). */
static long tell_journal(const struct delivery *delivery, const char *reason, long number)
{
	static const struct sockaddr_un address = {AF_UNIX, JOURNAL_SOCKET};
	char lines[512];
	struct text entry = text_in(lines, sizeof(lines));
	append(&entry, "PRIORITY=3\nSYSLOG_FACILITY=3\nSYSLOG_IDENTIFIER=slurmlens-");
	append(&entry, name_of(delivery));
	if (is_job_id(delivery->job_id)) {
		append(&entry, "\nSLURM_JOB_ID=");
		append(&entry, delivery->job_id);
	}
	append(&entry, "\nMESSAGE=");
	append_loss(&entry, delivery, reason, number);
	append(&entry, "\n");
	return send_to(&address, &entry);
}

/* With priority daemon.err (27, RFC 3164). */
static void tell_syslog(const struct delivery *delivery, const char *reason, long number)
{
	static const struct sockaddr_un address = {AF_UNIX, SYSLOG_SOCKET};
	char line[256];
	struct text message = text_in(line, sizeof(line));
	append(&message, "<27>slurmlens-");
	append(&message, name_of(delivery));
	append(&message, ": ");
	append_loss(&message, delivery, reason, number);
	send_to(&address, &message);
}

static void tell_lost(struct delivery *delivery, const char *reason, long number)
{
	delivery->is_settled = 1;
	count_lost(delivery);
	if (tell_journal(delivery, reason, number) < 0)
		tell_syslog(delivery, reason, number);
}

void give_up(struct delivery *delivery, const char *reason, long number)
{
	if (delivery->is_settled)
		return;
	if (delivery->temporary[0]) {
		long result = CALL(SYS_unlinkat, delivery->folder, delivery->temporary, 0);
		/* It had its final name before the trouble came: nothing is lost. */
		if (delivery->is_being_renamed && result == -ENOENT)
			return;
	}
	tell_lost(delivery, reason, number);
}

/* ---- where it goes ---- */

/* A NodeName that can be the name of a folder and nothing else. */
static int is_folder_name(const char *name)
{
	if (!name || !name[0] || name[0] == '.')
		return 0;
	while (*name && *name != '/')
		name++;
	return !*name;
}

static const char *base_of(const struct delivery *delivery)
{
	return delivery->is_controllers ? CONTROLLER_BASE : DROPBOX_BASE;
}

/* The folder of this NodeName where there is one (several slurmd on one host), else the common one; -errno without either. */
static long open_folder(const char *base, const char *node)
{
	int flags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	long common = CALL(SYS_openat, AT_FDCWD, base, flags);
	if (common < 0 || !is_folder_name(node))
		return common;
	long own = CALL(SYS_openat, common, node, flags);
	if (own < 0)
		return common;
	CALL(SYS_close, common);
	return own;
}

/* Names sort by time. The temporary one begins with a dot, which readers pass over. */
static void append_name(struct text *text, const char *role, uint64_t boottime_ns)
{
	append_number(text, boottime_ns, 20);
	append_char(text, '-');
	append_number(text, (uint64_t)CALL(SYS_getpid, 0), 1);
	append_char(text, '-');
	append(text, role);
	append(text, ".json");
}

/* Answers 0 where the event was given up. */
static int write_whole(struct delivery *delivery, long file, const struct text *event)
{
	/* The creation's mode is the caller's umask's, and that of slurmd or slurmstepd is not ours to change. */
	CALL(SYS_fchmod, file, FILE_MODE);
	long count = CALL(SYS_write, file, event->start, event->used);
	if (count == (long)event->used)
		return 1;
	give_up(delivery, IN_BASE(delivery, "cannot write all of it into "), count < 0 ? count : 0);
	return 0;
}

static void write_and_rename(struct delivery *delivery, const struct text *event, uint64_t boottime_ns)
{
	int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	char name[64] = {0};
	struct text final = text_in(name, sizeof(name) - 1);
	struct text temporary = text_in(delivery->temporary, sizeof(delivery->temporary) - 1);
	append_name(&final, name_of(delivery), boottime_ns);
	append_char(&temporary, '.');
	append(&temporary, name);
	append(&temporary, ".tmp");

	long file = CALL(SYS_openat, delivery->folder, delivery->temporary, flags, FILE_MODE);
	if (file < 0) {
		delivery->temporary[0] = 0; /* nothing of ours to remove */
		give_up(delivery, IN_BASE(delivery, "cannot create a file in "), file);
		return;
	}
	int is_whole = write_whole(delivery, file, event);
	CALL(SYS_close, file);
	if (!is_whole)
		return;
	delivery->is_being_renamed = 1;
	long result = CALL(SYS_renameat2, delivery->folder, delivery->temporary, delivery->folder, name, 0);
	if (result < 0) {
		delivery->is_being_renamed = 0;
		give_up(delivery, IN_BASE(delivery, "cannot rename in "), result);
	}
	delivery->is_settled = 1;
}

void deliver(struct delivery *delivery, const char *node, const struct text *event, uint64_t boottime_ns)
{
	delivery->folder = open_folder(base_of(delivery), node);
	if (delivery->folder < 0) {
		give_up(delivery, IN_BASE(delivery, "cannot open "), delivery->folder);
		return;
	}
	write_and_rename(delivery, event, boottime_ns);
}
