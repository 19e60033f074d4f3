/* Tell slurmlens how far a job is, from C or C++. This file is all there is to it: copy it beside your source.
 *
 *   #include "slurmlens_progress.h"
 *
 *   for (long i = 0; i < steps; i++) {
 *       step(i);
 *       slurmlens_progress(i + 1, steps);
 *   }
 *
 * slurmlens_progress_with() takes named values beside it, slurmlens_event() puts a line on the job's time line.
 *
 * Never fails the program, prints nothing, allocates nothing, leaves errno alone. Outside a Slurm job, without a daemon,
 * with SLURMLENS_OFF=1 or SLURMLENS_PROGRESS=off a call does nothing. It speaks once a second at most, whatever the loop
 * does, and waits 200 ms at most when it does. Safe in every rank of an MPI program and after fork: a message is a
 * connection of its own. In threads call it from one of them at a time. Answers are SLURMLENS_TAKEN and so on.
 * The protocol: docs/specs/app-socket.md. Needs Linux and C99. */
#ifndef SLURMLENS_PROGRESS_H
#define SLURMLENS_PROGRESS_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* struct ucred */
#endif
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define SLURMLENS_TAKEN 0
#define SLURMLENS_TOO_EARLY 1 /* nothing was said: the last message was less than a second ago */
#define SLURMLENS_REFUSED 2
#define SLURMLENS_ABSENT 3 /* no daemon, no job, or switched off */
#define SLURMLENS_SILENT 4 /* the daemon did not answer within 200 ms */

#ifndef SLURMLENS_HALF_PATIENCE_US
#define SLURMLENS_HALF_PATIENCE_US 100000 /* for a turn, and again for the answer */
#endif
#define SLURMLENS_FOLDER_ "/run/slurmlens-node"
#define SLURMLENS_MESSAGE_BYTES_ 1024

struct slurmlens_value {
	const char *name; /* a letter and up to 31 letters, digits, '_', '.' or '-' */
	double value;
};

static inline int slurmlens_is_off_(void)
{
	const char *off = getenv("SLURMLENS_OFF"), *wanted = getenv("SLURMLENS_PROGRESS");
	if (off != NULL && off[0] != '\0' && strcmp(off, "0") != 0)
		return 1;
	if (wanted != NULL && (strcmp(wanted, "off") == 0 || strcmp(wanted, "0") == 0 || strcmp(wanted, "no") == 0))
		return 1;
	return getenv("SLURM_JOB_ID") == NULL;
}

#define SLURMLENS_NOBODY_ (-1)
#define SLURMLENS_NO_TURN_ (-2) /* somebody listens, and did not come to it in time */

/* A connection to the socket at this path ('@' begins an abstract name), or one of the two above. An abstract name that an ordinary user
 * other than this one listens at is not spoken to: anybody can take it while no daemon runs. */
static inline int slurmlens_connect_(const char *path)
{
	const struct timeval half = {SLURMLENS_HALF_PATIENCE_US / 1000000, SLURMLENS_HALF_PATIENCE_US % 1000000};
	struct sockaddr_un address;
	struct ucred server;
	socklen_t size = sizeof server;
	const size_t length = strlen(path);
	int failure = SLURMLENS_NOBODY_;
	const int connection = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (connection < 0)
		return failure;
	memset(&address, 0, sizeof address);
	address.sun_family = AF_UNIX;
	if (length == 0 || length >= sizeof address.sun_path)
		goto failed;
	memcpy(address.sun_path, path, length);
	if (path[0] == '@')
		address.sun_path[0] = '\0';
	setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &half, sizeof half);
	setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &half, sizeof half);
	if (connect(connection, (const struct sockaddr *)&address,
	            (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + (path[0] != '@'))) != 0) {
		if (errno == EAGAIN)
			failure = SLURMLENS_NO_TURN_;
		goto failed;
	}
	if (path[0] == '@' && (getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &server, &size) != 0 ||
	                       (server.uid >= 1000 && server.uid < 65534 && server.uid != getuid())))
		goto failed;
	return connection;
failed:
	close(connection);
	return failure;
}

static inline int slurmlens_reach_(void)
{
	const char *named = getenv("SLURMLENS_SOCKET"), *node = getenv("SLURMD_NODENAME");
	const int has_node = node != NULL && node[0] != '\0' && strlen(node) <= 64 && strchr(node, '/') == NULL;
	char place[108];
	int connection = SLURMLENS_NOBODY_;
	if (named != NULL && named[0] != '\0')
		return slurmlens_connect_(named);
	if (has_node) { /* several nodes on one host */
		snprintf(place, sizeof place, SLURMLENS_FOLDER_ "/%.64s/app.sock", node);
		connection = slurmlens_connect_(place);
	}
	if (connection == SLURMLENS_NOBODY_)
		connection = slurmlens_connect_(SLURMLENS_FOLDER_ "/app.sock");
	if (connection == SLURMLENS_NOBODY_ && has_node) { /* a container */
		snprintf(place, sizeof place, "@slurmlens-app/%.64s", node);
		connection = slurmlens_connect_(place);
	}
	return connection;
}

/* What the environment says of the speaker: a claim about the job, which the daemon compares, and the task's rank. */
static inline size_t slurmlens_claims_(char *message, size_t size)
{
	const char *job = getenv("SLURM_HET_SIZE") == NULL ? getenv("SLURM_JOB_ID") : NULL;
	const char *rank = getenv("SLURM_PROCID");
	size_t used = (size_t)snprintf(message, size, "1 ");
	if (job != NULL && job[0] != '\0' && strlen(job) <= 10 && strspn(job, "0123456789") == strlen(job))
		used += (size_t)snprintf(message + used, size - used, "job=%s ", job);
	if (rank != NULL && rank[0] != '\0' && strlen(rank) <= 10 && strspn(rank, "0123456789") == strlen(rank))
		used += (size_t)snprintf(message + used, size - used, "rank=%s ", rank);
	return used;
}

static inline int slurmlens_say_(const char *message, size_t length)
{
	char answer[64];
	ssize_t heard = -1;
	const int connection = slurmlens_reach_();
	if (connection < 0)
		return connection == SLURMLENS_NO_TURN_ ? SLURMLENS_SILENT : SLURMLENS_ABSENT;
	if (send(connection, message, length, MSG_NOSIGNAL) == (ssize_t)length)
		heard = recv(connection, answer, sizeof answer, 0);
	close(connection);
	if (heard < 0)
		return SLURMLENS_SILENT;
	return heard >= 3 && memcmp(answer, "ok ", 3) == 0 ? SLURMLENS_TAKEN : SLURMLENS_REFUSED;
}

static inline double slurmlens_now_(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* When this process may speak again; a child after fork begins anew. One for the whole program is not needed: each
 * source that includes this file has its own, and the daemon keeps the last word of a task anyway. */
static struct {
	pid_t pid;
	int is_absent;
	double said_s, next_s, silent_s;
} slurmlens_state_;

static inline int slurmlens_may_speak_(int is_last)
{
	const double now_s = slurmlens_now_();
	if (slurmlens_state_.pid != getpid()) {
		slurmlens_state_.pid = getpid();
		slurmlens_state_.is_absent = 0;
		slurmlens_state_.silent_s = 0.0;
		slurmlens_state_.said_s = slurmlens_state_.next_s = now_s - 1.0;
	}
	if (now_s >= slurmlens_state_.next_s)
		return 1;
	return is_last && !slurmlens_state_.is_absent &&
	       now_s >= slurmlens_state_.said_s + (slurmlens_state_.silent_s > 0.0 ? 2.0 : 0.05);
}

static inline int slurmlens_spoke_(int answer)
{
	static const double pauses_s[] = {1.0, 1.0, 10.0, 60.0};
	slurmlens_state_.said_s = slurmlens_now_();
	if (answer != SLURMLENS_SILENT)
		slurmlens_state_.silent_s = 0.0;
	else if (slurmlens_state_.silent_s < 32.0) /* each has cost 200 ms: 2 s, 4 s, … 64 s */
		slurmlens_state_.silent_s = slurmlens_state_.silent_s > 0.0 ? 2.0 * slurmlens_state_.silent_s : 2.0;
	slurmlens_state_.next_s =
	        slurmlens_state_.said_s + (answer == SLURMLENS_SILENT ? slurmlens_state_.silent_s : pauses_s[answer]);
	slurmlens_state_.is_absent = answer == SLURMLENS_ABSENT;
	return answer;
}

/* Tells that `done` of `total` is done, with `count` named values beside it; `total` 0: it is not known how much there is. */
static inline int slurmlens_progress_with(double done, double total, const struct slurmlens_value *values, int count)
{
	const int before = errno;
	char message[SLURMLENS_MESSAGE_BYTES_];
	size_t used;
	int answer;
	if (!slurmlens_may_speak_(total > 0.0 && done >= total))
		return SLURMLENS_TOO_EARLY;
	if (slurmlens_is_off_()) {
		answer = slurmlens_spoke_(SLURMLENS_ABSENT);
	} else {
		used = slurmlens_claims_(message, sizeof message);
		used += (size_t)snprintf(message + used, sizeof message - used, "progress %.15g ", done);
		used += (size_t)(total > 0.0 ? snprintf(message + used, sizeof message - used, "%.15g", total)
		                             : snprintf(message + used, sizeof message - used, "-"));
		for (int i = 0; i < count && used + 64 < sizeof message; i++)
			if (values[i].value - values[i].value == 0.0) /* finite */
				used += (size_t)snprintf(message + used, sizeof message - used, " %.32s=%.9g",
				                         values[i].name, values[i].value);
		answer = slurmlens_spoke_(slurmlens_say_(message, used));
	}
	errno = before;
	return answer;
}

static inline int slurmlens_progress(double done, double total)
{
	return slurmlens_progress_with(done, total, NULL, 0);
}

/* Puts a line of text (300 bytes at most) on the job's time line; 30 a minute are taken of a job. */
static inline int slurmlens_event(const char *text)
{
	const int before = errno;
	char message[SLURMLENS_MESSAGE_BYTES_];
	size_t used, length = strlen(text);
	int answer = SLURMLENS_ABSENT;
	if (length > 300)
		for (length = 300; length > 0 && ((unsigned char)text[length] & 0xc0) == 0x80; length--)
			; /* not within a character of UTF-8 */
	if (!(slurmlens_state_.pid == getpid() && slurmlens_state_.is_absent &&
	      slurmlens_now_() < slurmlens_state_.next_s) &&
	    !slurmlens_is_off_()) {
		used = slurmlens_claims_(message, sizeof message);
		used += (size_t)snprintf(message + used, sizeof message - used, "event %.*s", (int)length, text);
		answer = slurmlens_say_(message, used);
	}
	errno = before;
	return answer;
}

#endif
