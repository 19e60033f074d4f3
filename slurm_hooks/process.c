/* How the emitter begins, how it ends, and which signals it notices: without a C library, and with one. See process.h. */
#include "process.h"
#include "system.h"

#include <elf.h>
#include <signal.h>
#include <stddef.h>

/* The alarm, and what says that something is very wrong with us: these end the program in order. All others wait, unseen. */
static const unsigned char TROUBLE[] = {SIGALRM, SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGSYS, SIGABRT};

#ifdef WITHOUT_LIBC

#if defined(__x86_64__)

__asm__(".globl _start\n"
        "_start:\n"
        "    xor %ebp, %ebp\n"
        "    mov %rsp, %rdi\n"
        "    and $-16, %rsp\n"
        "    call begin\n"
        "    hlt\n");

#elif defined(__aarch64__)

__asm__(".globl _start\n"
        "_start:\n"
        "    mov x29, #0\n"
        "    mov x30, #0\n"
        "    mov x0, sp\n"
        "    bl begin\n"
        "    brk #0\n");

#endif

/* The kernel's own layout of these two; that of the C library differs. */
struct kernel_sigaction {
	void (*handler)(int);
	unsigned long flags;
	void (*restorer)(void);
	uint64_t mask;
};
#define KERNEL_SA_RESTORER 0x04000000UL

/* gcc makes calls to these two of its own accord, freestanding or not (its manual, "Standards"). */
void *memset(void *to, int value, size_t size);
void *memset(void *to, int value, size_t size)
{
	for (size_t i = 0; i < size; i++)
		((unsigned char *)to)[i] = (unsigned char)value;
	return to;
}

void *memcpy(void *restrict to, const void *restrict from, size_t size);
void *memcpy(void *restrict to, const void *restrict from, size_t size)
{
	for (size_t i = 0; i < size; i++)
		((unsigned char *)to)[i] = ((const unsigned char *)from)[i];
	return to;
}

_Noreturn void end(void)
{
	for (;;)
		CALL(SYS_exit_group, 0);
}

void make_signals_harmless(void)
{
	struct kernel_sigaction action;
	uint64_t blocked = ~UINT64_C(0);
	action.handler = on_trouble;
	/* on_trouble never returns, so the restorer that x86_64 insists on is never called. */
	action.flags = KERNEL_SA_RESTORER;
	action.restorer = end;
	action.mask = ~UINT64_C(0);
	for (size_t i = 0; i < sizeof(TROUBLE); i++) {
		CALL(SYS_rt_sigaction, TROUBLE[i], &action, 0, sizeof(action.mask));
		blocked &= ~(UINT64_C(1) << (TROUBLE[i] - 1));
	}
	CALL(SYS_rt_sigprocmask, SIG_SETMASK, &blocked, 0, sizeof(blocked));
}

/* The stack as the kernel leaves it: argc, argv..., 0, environment..., 0, auxiliary vector (System V ABI). */
_Noreturn void begin(long *stack);
__attribute__((used)) _Noreturn void begin(long *stack)
{
	char **arguments = (char **)(stack + 1);
	char **environment = arguments + stack[0] + 1;
	char **after = environment;
	while (*after)
		after++;
	const unsigned char *randomness = NULL;
	for (const Elf64_auxv_t *entry = (const Elf64_auxv_t *)(after + 1); entry->a_type != AT_NULL; entry++)
		if (entry->a_type == AT_RANDOM)
			randomness = (const unsigned char *)entry->a_un.a_val;
	emit(stack[0] > 0 ? arguments[0] : "", environment, randomness);
	end();
}

#else /* with the C library */

#include <sys/auxv.h>
#include <unistd.h>

_Noreturn void end(void)
{
	_exit(0);
}

void make_signals_harmless(void)
{
	struct sigaction action = {.sa_handler = on_trouble};
	sigset_t blocked;
	sigfillset(&action.sa_mask);
	sigfillset(&blocked);
	for (size_t i = 0; i < sizeof(TROUBLE); i++) {
		sigaction(TROUBLE[i], &action, NULL);
		sigdelset(&blocked, TROUBLE[i]);
	}
	sigprocmask(SIG_SETMASK, &blocked, NULL);
}

int main(int count, char **arguments, char **environment)
{
	emit(count > 0 ? arguments[0] : "", environment, (const unsigned char *)getauxval(AT_RANDOM));
	return 0;
}

#endif
