/*
 * The kernel as hooks see it: one `system_call` that answers a result or -errno, and the clock.
 *
 * Built with -DWITHOUT_LIBC (x86_64 and aarch64) no C library is linked: what a static glibc does before main costs twice
 * what the emitter itself costs. Any other 64-bit Linux takes the same calls from its C library.
 */
#ifndef SLURMLENS_SYSTEM_H
#define SLURMLENS_SYSTEM_H

#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>

#pragma GCC visibility push(hidden)

/* Arguments that a call does not have are 0. */
#define CALL(number, ...) CALL_PADDED(number, __VA_ARGS__, 0, 0, 0, 0, 0, 0)
#define CALL_PADDED(number, a, b, c, d, e, f, ...) \
	system_call((number), (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

long system_call(long number, long a, long b, long c, long d, long e, long f);

/* Nanoseconds of CLOCK_REALTIME or CLOCK_BOOTTIME. */
uint64_t read_clock(clockid_t clock);

#pragma GCC visibility pop

#endif
