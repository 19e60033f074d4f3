/*
 * What runs as the user inside a job: slurm.conf's TaskProlog=, TaskEpilog=, SrunProlog= and SrunEpilog= name this program
 * (as slurmlens-task-prolog, slurmlens-task-epilog, slurmlens-srun-prolog, slurmlens-srun-epilog).
 *
 * It says one line to the node daemon's socket for jobs (docs/specs/app-socket.md), which learns from the kernel whose it
 * is: that a step began, with what the user asks by SLURMLENS_… variables; that a task of it ended; the name of the
 * program that srun starts, and that srun is done with it. Where no daemon runs, and on a login node, it says nothing.
 *
 * Invariants:
 *   - The exit status is 0 whatever happens: a TaskProlog's is the task's own. Nothing is printed: slurmstepd takes what a
 *     TaskProlog prints for orders.
 *   - It ends: it waits 200 ms at most for the daemon, and after one second the alarm ends it.
 *   - Of a step on a node one task speaks when it begins.
 */
#include "slurmlens_progress.h"

#include <signal.h>

#ifndef RUN_BASE
#define RUN_BASE "/run/slurmlens"
#endif
#define OFF_FLAG RUN_BASE "/off"
#define SILENCE_FLAG RUN_BASE "/silence/off"
#define ALARM_S 1
#define LONGEST_WORD 255
#define LONGEST_LIST 100

static void end_in_order(int signal_number)
{
	(void)signal_number;
	_exit(0);
}

/* Whatever comes, the status is 0; what nobody can catch (SIGKILL) is all that is left. */
static void make_signals_harmless(void)
{
	static const int SIGNALS[] = {SIGALRM, SIGTERM, SIGHUP, SIGINT, SIGPIPE, SIGXCPU,
	                              SIGXFSZ, SIGSEGV, SIGBUS, SIGILL, SIGFPE,  SIGSYS};
	struct sigaction action;
	memset(&action, 0, sizeof action);
	action.sa_handler = end_in_order;
	sigfillset(&action.sa_mask);
	for (size_t i = 0; i < sizeof SIGNALS / sizeof SIGNALS[0]; i++)
		sigaction(SIGNALS[i], &action, NULL);
	alarm(ALARM_S);
}

static const char *value_or_nothing(const char *name)
{
	const char *value = getenv(name);
	return value == NULL ? "" : value;
}

static int is_switched_off(void)
{
	const char *off = value_or_nothing("SLURMLENS_OFF");
	return (off[0] != '\0' && strcmp(off, "0") != 0) || access(OFF_FLAG, F_OK) == 0 ||
	       access(SILENCE_FLAG, F_OK) == 0;
}

/* Slurm's own word on which hook this is goes before the name we were called by. */
static int is_hook(const char *context, const char *called_as, const char *end_of_name)
{
	const char *told = value_or_nothing("SLURM_SCRIPT_CONTEXT");
	const size_t length = strlen(called_as), wanted = strlen(end_of_name);
	if (told[0] != '\0')
		return strcmp(told, context) == 0;
	return length >= wanted && strcmp(called_as + length - wanted, end_of_name) == 0;
}

/* One word of a message: anything that is no visible ASCII would end it. */
static int is_word(const char *value)
{
	size_t length = 0;
	for (; value[length] != '\0'; length++)
		if (value[length] <= ' ' || value[length] > '~')
			return 0;
	return length > 0 && length <= LONGEST_WORD;
}

static size_t append_request(char *message, size_t used, size_t size, const char *key, const char *variable)
{
	const char *value = value_or_nothing(variable);
	if (!is_word(value))
		return used;
	return used + (size_t)snprintf(message + used, size - used, " %s=%s", key, value);
}

/* Whole names of a list with colons between them, as many as fit into so many bytes. */
static size_t append_list(char *message, size_t used, size_t size, const char *key, const char *variable)
{
	const char *list = value_or_nothing(variable);
	size_t length = 0, whole = 0;
	for (; length <= LONGEST_LIST && list[length] > ' ' && list[length] <= '~'; length++)
		if (list[length] == ':')
			whole = length;
	if (length <= LONGEST_LIST && list[length] == '\0')
		whole = length;
	if (whole == 0)
		return used;
	return used + (size_t)snprintf(message + used, size - used, " %s=%.*s", key, (int)whole, list);
}

/* The last part of a path or of an image's name. */
static size_t append_name(char *message, size_t used, size_t size, const char *key, const char *variable)
{
	const char *value = value_or_nothing(variable), *last = strrchr(value, '/');
	const char *name = last == NULL ? value : last + 1;
	if (!is_word(name))
		return used;
	return used + (size_t)snprintf(message + used, size - used, " %s=%.48s", key, name);
}

/* Bytes at the begin of a text that are whole characters of UTF-8, printable or not, and no end of a line. */
static size_t whole_characters(const char *text, size_t most)
{
	size_t used = 0;
	while (text[used] != '\0' && text[used] != '\n') {
		const unsigned char first = (unsigned char)text[used];
		const size_t size = first < 0x80   ? 1
		                    : first < 0xc2 ? 0
		                    : first < 0xe0 ? 2
		                    : first < 0xf0 ? 3
		                    : first < 0xf4 ? 4
		                                   : 0;
		size_t further = 1;
		while (further < size && ((unsigned char)text[used + further] & 0xc0) == 0x80)
			further++;
		/* Surrogates and overlong forms are none either. */
		if (size == 0 || further < size || used + size > most ||
		    (first == 0xed && (unsigned char)text[used + 1] > 0x9f) ||
		    (first == 0xe0 && (unsigned char)text[used + 1] < 0xa0) ||
		    (first == 0xf0 && (unsigned char)text[used + 1] < 0x90))
			break;
		used += size;
	}
	return used;
}

/* The tag is a text of its own and goes to the end of the line. */
static size_t append_tag(char *message, size_t used, size_t size)
{
	const char *tag = value_or_nothing("SLURMLENS_TAG");
	const size_t length = whole_characters(tag, LONGEST_WORD);
	if (length == 0)
		return used;
	return used + (size_t)snprintf(message + used, size - used, " tag=%.*s", (int)length, tag);
}

static void step_began(char *message, size_t used, size_t size)
{
	if (strcmp(value_or_nothing("SLURM_LOCALID"), "0") != 0)
		return;
	used += (size_t)snprintf(message + used, size - used, "step begin");
	used = append_request(message, used, size, "interval", "SLURMLENS_INTERVAL");
	if (strcmp(value_or_nothing("SLURM_PROCID"), "0") == 0)
		used = append_request(message, used, size, "notify", "SLURMLENS_NOTIFY");
	used = append_list(message, used, size, "modules", "LOADEDMODULES");
	used = append_name(message, used, size, "container", "SLURM_CONTAINER");
	used = append_tag(message, used, size);
	slurmlens_say_(message, used);
}

/* Base name alone: what stands behind it is the user's own affair. */
static void step_is_run(char *message, size_t used, size_t size, const char *command)
{
	const char *step = value_or_nothing("SLURM_STEP_ID"), *last = strrchr(command, '/');
	const char *name = last == NULL ? command : last + 1;
	if (!is_word(step) || !is_word(name))
		return;
	used += (size_t)snprintf(message + used, size - used, "step run %.16s %.64s", step, name);
	slurmlens_say_(message, used);
}

int main(int count, char **arguments)
{
	const char *called_as = count > 0 ? arguments[0] : "";
	char message[SLURMLENS_MESSAGE_BYTES_];
	make_signals_harmless();
	if (is_switched_off() || getenv("SLURM_JOB_ID") == NULL)
		_exit(0);
	const size_t used = slurmlens_claims_(message, sizeof message);
	if (is_hook("prolog_task", called_as, "task-prolog"))
		step_began(message, used, sizeof message);
	else if (is_hook("epilog_task", called_as, "task-epilog"))
		slurmlens_say_(message, used + (size_t)snprintf(message + used, sizeof message - used, "step end"));
	else if (is_hook("prolog_srun", called_as, "srun-prolog") && count > 1)
		step_is_run(message, used, sizeof message, arguments[1]);
	else if (is_hook("epilog_srun", called_as, "srun-epilog") && is_word(value_or_nothing("SLURM_STEP_ID")))
		slurmlens_say_(message, used + (size_t)snprintf(message + used, sizeof message - used,
		                                                "step over %.16s", value_or_nothing("SLURM_STEP_ID")));
	_exit(0);
}
