/* The parsers that both hierarchies use; see files.h. */
#include "files.h"

int sl_file_number(const struct sl_file *file, struct sl_text text, struct sl_reading *out)
{
	uint64_t value;
	int rc = sl_parse_single(text, &value);

	return rc ? rc : sl_put(out, file->field, value, 1);
}

int sl_file_number_or_max(const struct sl_file *file, struct sl_text text, struct sl_reading *out)
{
	struct sl_text word = text;

	if (sl_take_word(&word, "max", 3)) {
		sl_take_word(&word, "\n", 1);
		if (word.at == word.end)
			return 0;
	}
	return sl_file_number(file, text, out);
}

int sl_file_keyed(const struct sl_file *file, struct sl_text text, struct sl_reading *out)
{
	return sl_parse_keyed(text, file->keys, file->key_count, out);
}
