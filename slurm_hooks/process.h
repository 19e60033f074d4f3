/* The emitter as a process: its begin, its end, its signals. Not part of the SPANK plugin, which is a guest in slurmstepd. */
#ifndef SLURMLENS_PROCESS_H
#define SLURMLENS_PROCESS_H

#pragma GCC visibility push(hidden)

/* From here on a signal is either not seen at all, or (alarm, faults) ends the program through on_trouble. */
void make_signals_harmless(void);

/* Exit status 0; there is no other. */
_Noreturn void end(void);

/* The emitter proper, in emit.c; `randomness` are 16 bytes that the kernel made for this execution alone. */
void emit(const char *called_as, char **environment, const unsigned char *randomness);
void on_trouble(int signal_number);

#pragma GCC visibility pop

#endif
