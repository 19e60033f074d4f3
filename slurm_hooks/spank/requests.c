/* The user's requests out of the step's environment; see requests.h. */
#include "requests.h"

#include <string.h>
#include <strings.h>

static const char *const VARIABLES_OF_REQUESTS[REQUESTS] = {
        [INTERVAL] = "SLURMLENS_INTERVAL",
        [PROGRESS] = "SLURMLENS_PROGRESS",
        [TAG] = "SLURMLENS_TAG",
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

/* Everything but these is a yes: who writes SLURMLENS_OFF=please does not want us. */
static int is_no(const char *text)
{
	static const char *const words[] = {"", "0", "no", "false", "off"};
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcasecmp(text, words[i]) == 0)
			return 1;
	return 0;
}

struct requests read_requests(spank_t spank)
{
	struct requests asked;
	char off[LONGEST_REQUEST] = "";
	memset(&asked, 0, sizeof(asked));
	read_variable(spank, OFF_VARIABLE, off);
	asked.is_off = !is_no(off);
	for (int i = 0; i < REQUESTS; i++)
		read_variable(spank, request_variable((enum request)i), asked.text[i]);
	return asked;
}
