/* Writing one event as one file into the dropbox: docs/specs/hook-event.md. */
#ifndef SLURMLENS_DROPBOX_H
#define SLURMLENS_DROPBOX_H

#include "text.h"

#include <stdint.h>

#pragma GCC visibility push(hidden)

#ifndef RUN_BASE
#define RUN_BASE "/run/slurmlens"
#endif
#ifndef DROPBOX_BASE
#define DROPBOX_BASE RUN_BASE "/events"
#endif
#ifndef SYSLOG_SOCKET
#define SYSLOG_SOCKET "/dev/log"
#endif
#ifndef JOURNAL_SOCKET
#define JOURNAL_SOCKET "/run/systemd/journal/socket"
#endif
#define LOST_FOLDER RUN_BASE "/lost"
/* On the controller: the hooks of slurmctld run as SlurmUser, who has folders of his own. */
#define CONTROLLER_BASE RUN_BASE "/controller/events"
#define CONTROLLER_LOST_FOLDER RUN_BASE "/controller/lost"
/* While this file exists, nothing of ours that Slurm executes does anything. */
#define OFF_FLAG RUN_BASE "/off"
/* The same by the hub's word: the node daemon, which may not write beside it, makes and removes it. */
#define SILENCE_FLAG RUN_BASE "/silence/off"

/* One event on its way. Zeroed but for the first two; the rest is what has to be known when something goes wrong. */
struct delivery {
	const char *role; /* also the name of the counter of lost events; NULL: unknown */
	const char *job_id; /* for the message alone; NULL: not known */
	int is_controllers; /* it goes to the controller's folders */
	long folder;
	char temporary[80];
	int is_being_renamed;
	int is_settled; /* it has arrived, or was given up: whatever comes now changes nothing */
};

int hooks_are_off(void);

/*
 * Writes the event (create, write, rename) into the folder of this NodeName where there is one, else into the common one.
 * What cannot be written is given up. `delivery->folder` stays open (or is -errno): who lives on closes it.
 */
void deliver(struct delivery *delivery, const char *node, const struct text *event, uint64_t boottime_ns);

/* Removes what is half written, counts the event as lost and tells the journal, else syslog, once. `number` is -errno, a signal, or 0. */
void give_up(struct delivery *delivery, const char *reason, long number);

#pragma GCC visibility pop

#endif
