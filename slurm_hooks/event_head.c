/* The begin of an event's text; see event_head.h. */
#include "event_head.h"
#include "system.h"

#include <fcntl.h>

#define FORMAT_VERSION 1
#define BOOT_ID_LENGTH 36

/* The nil UUID stands for a boot that could not be named (no /proc). */
static void append_boot_id(struct text *text)
{
	char boot_id[BOOT_ID_LENGTH + 1] = {0};
	long count = 0;
	long file = CALL(SYS_openat, AT_FDCWD, "/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	if (file >= 0) {
		count = CALL(SYS_read, file, boot_id, BOOT_ID_LENGTH);
		CALL(SYS_close, file);
	}
	append(text, count == BOOT_ID_LENGTH ? boot_id : "00000000-0000-0000-0000-000000000000");
}

void append_head(struct text *text, const char *role, const unsigned char *randomness, uint64_t boottime_ns)
{
	append(text, "{\"v\":");
	append_number(text, FORMAT_VERSION, 1);
	append(text, ",\"id\":\"");
	for (int i = 0; i < RANDOM_BYTES; i++)
		append_hex(text, randomness[i]);
	append(text, "\",\"role\":\"");
	append(text, role);
	append(text, "\",\"time_ns\":");
	append_number(text, read_clock(CLOCK_REALTIME), 1);
	append(text, ",\"boot_id\":\"");
	append_boot_id(text);
	append(text, "\",\"boottime_ns\":");
	append_number(text, boottime_ns, 1);
}
