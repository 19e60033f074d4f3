/* What group.c, child_events.c and reader.c share. */
#ifndef SLURMLENS_GROUP_H
#define SLURMLENS_GROUP_H

#include "files.h"

enum { SL_TEXT_MAX = 16384 };

const struct sl_table *sl_table_of(int hierarchy);

/* One pread of a kept descriptor from its begin. Returns 0 and the text in `buffer`; -EFBIG when it does not fit; -errno. */
int sl_read_text(int fd, char buffer[SL_TEXT_MAX], struct sl_text *text);

/* Adds the events of descendants to the group's own reading, read anew in their tier and as last known else. */
void sl_read_child_events(struct sl_group *group, int tiers, char buffer[SL_TEXT_MAX], struct sl_reading *out);

void sl_close_children(struct sl_group *group);

#endif
