/* What slurmlens_progress.f90 calls: the header's functions with names that a linker knows. */
#include "slurmlens_progress.h"

int slurmlens_fortran_progress(double done, double total, const char *name, double value);
int slurmlens_fortran_event(const char *text);

int slurmlens_fortran_progress(double done, double total, const char *name, double value)
{
	const struct slurmlens_value one = {name, value};
	return slurmlens_progress_with(done, total, &one, name[0] != '\0');
}

int slurmlens_fortran_event(const char *text)
{
	return slurmlens_event(text);
}
