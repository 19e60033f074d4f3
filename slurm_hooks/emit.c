/*
 * The hook itself: slurm.conf's Prolog=, Epilog=, PrologSlurmctld= and EpilogSlurmctld= name this program (as
 * slurmlens-prolog, slurmlens-epilog, slurmlens-prolog-slurmctld, slurmlens-epilog-slurmctld).
 *
 * It writes what Slurm says about the job as one small file into the dropbox (dropbox.c) and exits with 0.
 * The file's format is docs/specs/hook-event.md; the node daemon reads it.
 *
 * Invariants:
 *   - The exit status is 0 whatever happens: any other takes the node out of service. Only SIGKILL can prevent that.
 *   - It ends: nothing in it waits, and after one second the alarm ends it.
 *   - It uses no PATH, HOME, locale, child, thread, network or memory allocation, and needs no C library (system.h).
 */
#include "document.h"
#include "dropbox.h"
#include "process.h"
#include "system.h"
#include "text.h"

#include <sys/time.h>

#define ALARM_S 1

/* What on_trouble has to know. */
static struct delivery this_event;

static char document[LONGEST_DOCUMENT];

void on_trouble(int signal_number)
{
	give_up(&this_event, "ended by signal", signal_number);
	end();
}

/*
 * Slurm's own word on which hook this is goes before the name we were called by: Epilog=/…/slurmlens-prolog is a slip that
 * would turn ends into starts. Another of its hooks (srun's, a task's) is none of this program's business: NULL.
 */
static const char *role_of(const char *called_as, const char *context)
{
	if (context && same(context, "prolog_slurmd"))
		return "prolog";
	if (context && same(context, "epilog_slurmd"))
		return "epilog";
	if (context && same(context, "prolog_slurmctld"))
		return "prolog-slurmctld";
	if (context && same(context, "epilog_slurmctld"))
		return "epilog-slurmctld";
	if (context && (same_start(context, "prolog_", 7) || same_start(context, "epilog_", 7)))
		return NULL;
	if (ends_with(called_as, "prolog"))
		return "prolog";
	return ends_with(called_as, "epilog") ? "epilog" : NULL;
}

void emit(const char *called_as, char **environment, const unsigned char *randomness)
{
	static const struct itimerval once = {{0, 0}, {ALARM_S, 0}};
	struct values values = {{0}};
	struct text event = text_in(document, sizeof(document));
	uint64_t boottime_ns = read_clock(CLOCK_BOOTTIME);

	make_signals_harmless();
	CALL(SYS_setitimer, ITIMER_REAL, &once, 0);
	if (hooks_are_off())
		return;
	find_values(environment, &values);
	this_event.role = role_of(called_as, value_of(&values, "SLURM_SCRIPT_CONTEXT"));
	this_event.is_controllers = this_event.role && ends_with(this_event.role, "-slurmctld");
	if (!this_event.is_controllers)
		forget_slurmctlds_values(&values);
	this_event.job_id = value_of(&values, "SLURM_JOB_ID");
	if (!this_event.job_id || !this_event.job_id[0] || !this_event.role || !randomness) {
		give_up(&this_event, "not called by Slurm as Prolog or Epilog", 0);
		return;
	}
	compose(&event, this_event.role, &values, randomness, boottime_ns);
	deliver(&this_event, this_event.is_controllers ? NULL : value_of(&values, "SLURMD_NODENAME"), &event,
	        boottime_ns);
}
