/*
 * One step on one node, from slurmstepd's own process: a start event, an exit event.
 *
 * Counters are read at every task's exit and nothing is written then: at slurm_spank_exit the step's cgroups are gone, and
 * a file written by slurmstepd is charged to the job. So the last task's reading is the step's, and the exit event is
 * written when all is over. The start is told at the first task's fork: before that slurmstepd is in no cgroup of the step
 * on v1, so it could not say where it is. Invariants: the callbacks of one step come from one thread (Slurm's main one); a step is told
 * to have ended only if its start was seen by this process; descriptors are closed.
 */
#include "slurmstepd.h"
#include "../dropbox.h"
#include "../event_head.h"
#include "../system.h"
#include "step_event.h"

#include <string.h>
#include <sys/random.h>
#include <unistd.h>

static struct {
	int is_begun;
	int is_told; /* its start was: there is somebody to tell of its end */
	struct step step;
} this_step;

/* Of this process alone there is AT_RANDOM too, but it is also slurmstepd's stack canary, and an id goes everywhere. */
static int has_randomness(unsigned char randomness[RANDOM_BYTES])
{
	return getrandom(randomness, RANDOM_BYTES, GRND_NONBLOCK) == RANDOM_BYTES;
}

typedef void (*composer)(struct text *, const struct step *, const unsigned char *, uint64_t);

static void tell(const char *role, composer compose)
{
	const struct step *step = &this_step.step;
	char document[LONGEST_STEP_EVENT], job_id[24] = {0};
	unsigned char randomness[RANDOM_BYTES];
	struct text event = text_in(document, sizeof(document));
	struct text job_text = text_in(job_id, sizeof(job_id) - 1);
	struct delivery delivery = {.role = role, .job_id = job_id, .folder = -1};
	uint64_t boottime_ns = read_clock(CLOCK_BOOTTIME);

	if (hooks_are_off())
		return;
	append_number(&job_text, step->number[JOB_ID], 1);
	if (!is_known(step, JOB_ID) || !is_known(step, STEP_ID)) {
		give_up(&delivery, "Slurm does not say which step this is", 0);
		return;
	}
	if (!has_randomness(randomness)) {
		give_up(&delivery, "no randomness for an id", 0);
		return;
	}
	compose(&event, step, randomness, boottime_ns);
	deliver(&delivery, step->place.node, &event, boottime_ns);
	if (delivery.folder >= 0)
		close((int)delivery.folder);
}

void task_forked(spank_t spank)
{
	if (this_step.is_begun)
		return;
	memset(&this_step, 0, sizeof(this_step));
	this_step.is_begun = 1;
	if (hooks_are_off())
		return;
	look_at_step(&this_step.step, spank);
	if (this_step.step.requests.is_off)
		return;
	this_step.is_told = 1;
	tell(START_ROLE, compose_start);
}

void task_ended(spank_t spank)
{
	struct step *step = &this_step.step;
	int status = 0;
	uint32_t task = 0;
	if (!this_step.is_told)
		return;
	read_counters(&step->counters, &step->place);
	step->exits.ended++;
	if (spank_get_item(spank, S_TASK_EXIT_STATUS, &status) == ESPANK_SUCCESS &&
	    spank_get_item(spank, S_TASK_GLOBAL_ID, &task) == ESPANK_SUCCESS)
		count_exit(&step->exits, status, task);
}

void step_ended(void)
{
	this_step.is_begun = 0;
	if (!this_step.is_told)
		return;
	close_counters(&this_step.step.counters);
	tell(EXIT_ROLE, compose_exit);
	this_step.is_told = 0;
}
