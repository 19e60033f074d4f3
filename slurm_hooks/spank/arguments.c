/* Arguments of the plugin's line; see arguments.h. */
#include "arguments.h"

#include <slurm/spank.h>
#include <string.h>

struct arguments read_arguments(int count, char **arguments)
{
	struct arguments told = {.has_options = 0};
	for (int i = 0; i < count; i++) {
		if (strcmp(arguments[i], "options=yes") == 0)
			told.has_options = 1;
		else if (strcmp(arguments[i], "options=no") == 0)
			told.has_options = 0;
		else
			slurm_debug("slurmlens: plugstack.conf: there is no argument %.100s, only options=yes or no",
			            arguments[i]);
	}
	return told;
}
