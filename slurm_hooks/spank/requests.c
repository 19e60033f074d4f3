/* The user's requests out of the step's environment; see requests.h. */
#include "requests.h"

#include <string.h>

static const char *const VARIABLES_OF_REQUESTS[REQUESTS] = {
        [INTERVAL] = "SLURMLENS_INTERVAL",
        [TAG] = "SLURMLENS_TAG",
        [NOTIFY] = "SLURMLENS_NOTIFY",
};

const char *request_variable(enum request request)
{
	return VARIABLES_OF_REQUESTS[request];
}

static void read_variable(spank_t spank, const char *name, char text[LONGEST_REQUEST])
{
	if (spank_getenv(spank, name, text, LONGEST_REQUEST) != ESPANK_SUCCESS)
		text[0] = 0;
	text[LONGEST_REQUEST - 1] = 0;
}

struct requests read_requests(spank_t spank)
{
	struct requests asked;
	char off[LONGEST_REQUEST] = "";
	memset(&asked, 0, sizeof(asked));
	read_variable(spank, OFF_VARIABLE, off);
	/* As the clients inside a job have it: who writes SLURMLENS_OFF=please does not want us. */
	asked.is_off = off[0] && strcmp(off, "0") != 0;
	for (int i = 0; i < REQUESTS; i++)
		read_variable(spank, request_variable((enum request)i), asked.text[i]);
	return asked;
}
