/*
 * The hook itself: slurm.conf's Prolog= and Epilog= name this program (as slurmlens-prolog and slurmlens-epilog).
 *
 * It writes what Slurm says about the job as one small file into the dropbox (create, write, rename) and exits with 0.
 * The file's format is docs/specs/hook-event.md; the node daemon reads it.
 *
 * Invariants:
 *   - The exit status is 0 whatever happens: any other takes the node out of service. Only SIGKILL can prevent that.
 *   - It ends: nothing in it waits, and after one second the alarm ends it.
 *   - An event is complete in the dropbox, or not there at all. What could not be written is counted in LOST_FOLDER and
 *     told to syslog.
 *   - No argument and no variable says where it writes: the folder is compiled in.
 *   - It uses no PATH, HOME, locale, child, thread, network or memory allocation, and needs no C library (system.h).
 */
#include "document.h"
#include "system.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#ifndef RUN_BASE
#define RUN_BASE "/run/slurmlens"
#endif
#ifndef DROPBOX_BASE
#define DROPBOX_BASE RUN_BASE "/events"
#endif
#ifndef SYSLOG_SOCKET
#define SYSLOG_SOCKET "/dev/log"
#endif
#define LOST_FOLDER RUN_BASE "/lost"
/* While this file exists, the hook does nothing. */
#define OFF_FLAG RUN_BASE "/off"

/* A counter of lost events stops here: nothing that we write grows for ever. */
#define MOST_LOST (1024 * 1024)
#define LONGEST_JOB_ID 10
#define ALARM_S 1

enum role { NO_ROLE, PROLOG, EPILOG };

/* What on_trouble has to know. */
static struct {
	enum role role;
	const char *job_id;
	long folder;
	char temporary[80];
	int is_being_renamed;
	int is_told;
} this_event;

static char document[LONGEST_DOCUMENT];

static const char *name_of(enum role role)
{
	return role == PROLOG ? "prolog" : role == EPILOG ? "epilog" : "unknown";
}

/* ---- what becomes of an event that cannot be written ---- */

static void count_lost(void)
{
	const char *path = LOST_FOLDER "/unknown";
	int flags = O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
	if (this_event.role == PROLOG)
		path = LOST_FOLDER "/prolog";
	if (this_event.role == EPILOG)
		path = LOST_FOLDER "/epilog";
	long file = CALL(SYS_openat, AT_FDCWD, path, flags, 0644);
	if (file >= 0 && CALL(SYS_lseek, file, 0, SEEK_END) < MOST_LOST)
		CALL(SYS_write, file, ".", 1);
}

static void send_to_syslog(const struct text *message)
{
	static const struct sockaddr_un address = {AF_UNIX, SYSLOG_SOCKET};
	long channel = CALL(SYS_socket, AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (channel >= 0)
		CALL(SYS_sendto, channel, message->start, message->used, MSG_DONTWAIT | MSG_NOSIGNAL, &address,
		     sizeof(address));
}

/* Counts the event as lost, once, and says so with priority daemon.err (27, RFC 3164). `number` is -errno, a signal, or 0. */
static void tell_lost(const char *reason, long number)
{
	char line[256];
	struct text message = text_in(line, sizeof(line));
	if (this_event.is_told)
		return;
	this_event.is_told = 1;
	count_lost();
	append(&message, "<27>slurmlens-");
	append(&message, name_of(this_event.role));
	append(&message, ": event of job ");
	append(&message, this_event.job_id && length_of(this_event.job_id) <= LONGEST_JOB_ID ? this_event.job_id : "?");
	append(&message, " is lost: ");
	append(&message, reason);
	if (number) {
		append(&message, number < 0 ? ", errno " : " ");
		append_number(&message, (uint64_t)(number < 0 ? -number : number), 1);
	}
	send_to_syslog(&message);
}

static void give_up(const char *reason, long number)
{
	if (this_event.temporary[0]) {
		long result = CALL(SYS_unlinkat, this_event.folder, this_event.temporary, 0);
		/* It had its final name before the trouble came: nothing is lost. */
		if (this_event.is_being_renamed && result == -ENOENT)
			return;
	}
	tell_lost(reason, number);
}

void on_trouble(int signal_number)
{
	give_up("ended by signal", signal_number);
	end();
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

/* The folder of this NodeName where there is one (several slurmd on one host), else the common one; -errno without either. */
static long open_folder(const char *node)
{
	int flags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	long common = CALL(SYS_openat, AT_FDCWD, DROPBOX_BASE, flags);
	if (common < 0 || !is_folder_name(node))
		return common;
	long own = CALL(SYS_openat, common, node, flags);
	return own < 0 ? common : own;
}

/* Names sort by time. The temporary one begins with a dot, which readers pass over. */
static void append_name(struct text *text, uint64_t boottime_ns)
{
	append_number(text, boottime_ns, 20);
	append_char(text, '-');
	append_number(text, (uint64_t)CALL(SYS_getpid, 0), 1);
	append_char(text, '-');
	append(text, name_of(this_event.role));
	append(text, ".json");
}

static void deliver(const struct text *event, uint64_t boottime_ns)
{
	int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	char name[64] = {0};
	struct text final = text_in(name, sizeof(name) - 1);
	struct text temporary = text_in(this_event.temporary, sizeof(this_event.temporary) - 1);
	append_name(&final, boottime_ns);
	append_char(&temporary, '.');
	append(&temporary, name);
	append(&temporary, ".tmp");

	long file = CALL(SYS_openat, this_event.folder, this_event.temporary, flags, 0640);
	if (file < 0) {
		this_event.temporary[0] = 0; /* nothing of ours to remove */
		give_up("cannot create a file in " DROPBOX_BASE, file);
		return;
	}
	long count = CALL(SYS_write, file, event->start, event->used);
	if (count != (long)event->used) {
		give_up("cannot write all of it into " DROPBOX_BASE, count < 0 ? count : 0);
		return;
	}
	this_event.is_being_renamed = 1;
	long result = CALL(SYS_renameat2, this_event.folder, this_event.temporary, this_event.folder, name, 0);
	if (result < 0) {
		this_event.is_being_renamed = 0;
		give_up("cannot rename in " DROPBOX_BASE, result);
	}
}

/*
 * Slurm's own word on which hook this is goes before the name we were called by: Epilog=/…/slurmlens-prolog is a slip that
 * would turn ends into starts. Another of its hooks (slurmctld's, srun's, a task's) is none of our business.
 */
static enum role role_of(const char *called_as, const char *context)
{
	if (context && same(context, "prolog_slurmd"))
		return PROLOG;
	if (context && same(context, "epilog_slurmd"))
		return EPILOG;
	if (context && (same_start(context, "prolog_", 7) || same_start(context, "epilog_", 7)))
		return NO_ROLE;
	if (ends_with(called_as, "prolog"))
		return PROLOG;
	return ends_with(called_as, "epilog") ? EPILOG : NO_ROLE;
}

static int is_off(void)
{
	return CALL(SYS_faccessat, AT_FDCWD, OFF_FLAG, F_OK) == 0;
}

void emit(const char *called_as, char **environment, const unsigned char *randomness)
{
	static const struct itimerval once = {{0, 0}, {ALARM_S, 0}};
	struct values values = {{0}};
	struct text event = text_in(document, sizeof(document));
	uint64_t boottime_ns = read_clock(CLOCK_BOOTTIME);

	make_signals_harmless();
	CALL(SYS_setitimer, ITIMER_REAL, &once, 0);
	if (is_off())
		return;
	find_values(environment, &values);
	this_event.role = role_of(called_as, value_of(&values, "SLURM_SCRIPT_CONTEXT"));
	this_event.job_id = value_of(&values, "SLURM_JOB_ID");
	if (!this_event.job_id || !this_event.job_id[0] || this_event.role == NO_ROLE || !randomness) {
		give_up("not called by slurmd as Prolog or Epilog", 0);
		return;
	}
	this_event.folder = open_folder(value_of(&values, "SLURMD_NODENAME"));
	if (this_event.folder < 0) {
		give_up("cannot open " DROPBOX_BASE, this_event.folder);
		return;
	}
	/* The mode alone decides who may read: 0640 also under a slurmd with umask 077. */
	CALL(SYS_umask, 0);
	compose(&event, name_of(this_event.role), &values, randomness, boottime_ns);
	deliver(&event, boottime_ns);
}
