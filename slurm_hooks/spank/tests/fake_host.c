/*
 * Stands in for srun, slurmd and slurmstepd: loads the plugin and calls it as the lines on standard input say.
 *
 *     context remote | local | allocator | slurmd | job_script | error
 *     number ITEM VALUE     what spank_get_item answers (ITEM by its number in spank.h); without one: ESPANK_NOT_AVAIL
 *     text ITEM VALUE
 *     env NAME=VALUE        the step's environment, which spank_getenv knows in the remote context alone
 *     argument TEXT         of the plugin's line in plugstack.conf
 *     fail N                the Nth call of the plugin into Slurm from now on fails
 *     call CALLBACK         prints the callback's name and what it answered, or "absent"
 *     option NAME VALUE     as if the user had given it; remote where the context is
 *     getenv NAME           prints the process's own variable
 *     state                 prints how often the plugin called Slurm and how many descriptors are open
 *
 * Every command prints one line. The functions of spank.h that the plugin uses are below; no others of Slurm's are needed.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <slurm/spank.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ITEMS 64
#define LISTED 16
#define LONGEST_LINE 8192

typedef int (*callback)(spank_t, int, char **);

static struct {
	char *texts[ITEMS];
	uint64_t numbers[ITEMS];
	int has_number[ITEMS];
	char *environment[LISTED];
	char *arguments[LISTED];
	struct spank_option options[LISTED];
	int variables, argument_count, option_count, calls, failing_call;
	spank_context_t context;
} host = {.context = S_CTX_ERROR};

#pragma GCC visibility push(default)

static int fails(void)
{
	return ++host.calls == host.failing_call;
}

/* As in Slurm, what is asked for decides how wide the answer is. */
static int is_64_bits(spank_item_t item)
{
	return item == S_JOB_ALLOC_MEM || item == S_STEP_ALLOC_MEM;
}

spank_err_t spank_get_item(spank_t spank, spank_item_t item, ...)
{
	va_list list;
	spank_err_t answer = ESPANK_NOT_AVAIL;
	(void)spank;
	if (fails())
		return ESPANK_ERROR;
	va_start(list, item);
	if (host.texts[item]) {
		*va_arg(list, char **) = host.texts[item];
		answer = ESPANK_SUCCESS;
	} else if (host.has_number[item]) {
		if (is_64_bits(item))
			*va_arg(list, uint64_t *) = host.numbers[item];
		else
			*va_arg(list, uint32_t *) = (uint32_t)host.numbers[item];
		answer = ESPANK_SUCCESS;
	}
	va_end(list);
	return answer;
}

spank_err_t spank_getenv(spank_t spank, const char *name, char *value, int size)
{
	size_t length = strlen(name);
	(void)spank;
	if (fails())
		return ESPANK_ERROR;
	if (host.context != S_CTX_REMOTE)
		return ESPANK_NOT_REMOTE;
	for (int i = 0; i < host.variables; i++) {
		if (strncmp(host.environment[i], name, length) != 0 || host.environment[i][length] != '=')
			continue;
		/* Slurm copies what fits before it says that not all did. */
		int written = snprintf(value, (size_t)size, "%s", host.environment[i] + length + 1);
		return written < size ? ESPANK_SUCCESS : ESPANK_NOSPACE;
	}
	return ESPANK_ENV_NOEXIST;
}

spank_context_t spank_context(void)
{
	return host.context;
}

spank_err_t spank_option_register(spank_t spank, struct spank_option *option)
{
	(void)spank;
	if (fails() || host.option_count == LISTED)
		return ESPANK_ERROR;
	host.options[host.option_count++] = *option;
	return ESPANK_SUCCESS;
}

void slurm_debug(const char *format, ...)
{
	va_list list;
	va_start(list, format);
	vfprintf(stderr, format, list);
	va_end(list);
	fputc('\n', stderr);
}

#pragma GCC visibility pop

static spank_context_t context_named(const char *name)
{
	static const char *const names[] = {
	        [S_CTX_LOCAL] = "local",   [S_CTX_REMOTE] = "remote",         [S_CTX_ALLOCATOR] = "allocator",
	        [S_CTX_SLURMD] = "slurmd", [S_CTX_JOB_SCRIPT] = "job_script",
	};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i] && strcmp(names[i], name) == 0)
			return (spank_context_t)i;
	return S_CTX_ERROR;
}

static int open_descriptors(void)
{
	int count = -1; /* the listing's own */
	DIR *listing = opendir("/proc/self/fd");
	for (struct dirent *entry; listing && (entry = readdir(listing)) != NULL;)
		count += entry->d_name[0] != '.';
	if (listing)
		closedir(listing);
	return count;
}

static void call(void *plugin, const char *name)
{
	callback function = NULL;
	*(void **)&function = dlsym(plugin, name);
	if (!function) {
		printf("%s absent\n", name);
		return;
	}
	/* No handle: the plugin may only hand it on. */
	printf("%s %d\n", name, function(NULL, host.argument_count, host.arguments));
}

static void give_option(const char *name, const char *value)
{
	for (int i = 0; i < host.option_count; i++) {
		struct spank_option *option = &host.options[i];
		if (strcmp(option->name, name) != 0)
			continue;
		printf("%s %d\n", name,
		       option->cb(option->val, option->has_arg ? value : NULL, host.context == S_CTX_REMOTE));
		return;
	}
	printf("%s absent\n", name);
}

static void set_item(const char *which, const char *value, int is_text)
{
	unsigned long item = strtoul(which, NULL, 10);
	if (item >= ITEMS)
		exit(2);
	if (is_text)
		host.texts[item] = strdup(value);
	host.numbers[item] = strtoull(value, NULL, 10);
	host.has_number[item] = !is_text;
}

static void obey(void *plugin, const char *command, const char *first, const char *rest)
{
	if (strcmp(command, "call") == 0) {
		call(plugin, first);
		return;
	}
	if (strcmp(command, "option") == 0) {
		give_option(first, rest);
		return;
	}
	if (strcmp(command, "getenv") == 0) {
		const char *value = getenv(first);
		printf("%s\n", value ? value : "(unset)");
		return;
	}
	if (strcmp(command, "state") == 0) {
		printf("calls %d descriptors %d\n", host.calls, open_descriptors());
		return;
	}
	if (strcmp(command, "context") == 0)
		host.context = context_named(first);
	else if (strcmp(command, "number") == 0 || strcmp(command, "text") == 0)
		set_item(first, rest, command[0] == 't');
	else if (strcmp(command, "env") == 0 && host.variables < LISTED)
		host.environment[host.variables++] = strdup(first);
	else if (strcmp(command, "argument") == 0 && host.argument_count < LISTED)
		host.arguments[host.argument_count++] = strdup(first);
	else if (strcmp(command, "fail") == 0)
		host.failing_call = host.calls + (int)strtol(first, NULL, 10);
	else
		exit(2);
	printf("ok\n");
}

int main(int count, char **arguments)
{
	char line[LONGEST_LINE];
	void *plugin = count == 2 ? dlopen(arguments[1], RTLD_NOW | RTLD_LOCAL) : NULL;
	if (!plugin) {
		fprintf(stderr, "%s\n", count == 2 ? dlerror() : "usage: fake_host PLUGIN");
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = 0;
		char *command = line, *first = strchr(line, ' ');
		if (first)
			*first++ = 0;
		/* What is one text keeps its blanks. */
		int is_one = strcmp(command, "env") == 0 || strcmp(command, "argument") == 0;
		char *rest = first && !is_one ? strchr(first, ' ') : NULL;
		if (rest)
			*rest++ = 0;
		obey(plugin, command, first ? first : "", rest ? rest : "");
	}
	return 0;
}
