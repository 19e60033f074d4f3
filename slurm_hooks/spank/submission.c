/* Options of srun, salloc and sbatch; see submission.h. */
#include "submission.h"
#include "requests.h"

#include <stdlib.h>

/* Beside the requests, which are the values of the others. */
enum { OFF_OPTION = REQUESTS, PROGRESS_OPTION };

/* In the step itself the environment has it already. */
static int set_variable(int option, const char *value, int is_remote)
{
	if (is_remote)
		return ESPANK_SUCCESS;
	if (option == OFF_OPTION)
		setenv(OFF_VARIABLE, "1", 1);
	else if (option == PROGRESS_OPTION && value)
		setenv(PROGRESS_VARIABLE, value, 1);
	else if (option >= 0 && option < REQUESTS && value)
		setenv(request_variable((enum request)option), value, 1);
	return ESPANK_SUCCESS;
}

/* Slurm keeps pointers to the texts, and its structure has them without const. */
static char interval_name[] = "lens-interval", interval_value[] = "SECONDS";
static char interval_usage[] = "slurmlens: read the job's counters this often";
static char progress_name[] = "lens-progress", progress_value[] = "on|off";
static char progress_usage[] = "slurmlens: whether programs may tell how far they are";
static char tag_name[] = "lens-tag", tag_value[] = "TEXT";
static char tag_usage[] = "slurmlens: a name of your own for the step";
static char notify_name[] = "lens-notify", notify_value[] = "WORDS";
static char notify_usage[] = "slurmlens: whom to tell of what: stalled, limit, failed, an address";
static char off_name[] = "lens-off", off_usage[] = "slurmlens: tell nothing of this step";

static struct spank_option options[] = {
        {interval_name, interval_value, interval_usage, 1, INTERVAL, set_variable},
        {progress_name, progress_value, progress_usage, 1, PROGRESS_OPTION, set_variable},
        {tag_name, tag_value, tag_usage, 1, TAG, set_variable},
        {notify_name, notify_value, notify_usage, 1, NOTIFY, set_variable},
        {off_name, NULL, off_usage, 0, OFF_OPTION, set_variable},
};

void register_options(spank_t spank)
{
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (spank_option_register(spank, &options[i]) != ESPANK_SUCCESS)
			slurm_debug("slurmlens: --%s could not be registered", options[i].name);
}
