/*
 * How long a process holds a CPU without sleeping, and how often it wakes: the kernel's own context switch records
 * (perf_event_open, software event) of every thread that the process has when we start.
 *
 * A burst is the time on the CPU between two voluntary sleeps. Being preempted does not end one: on a busy machine the
 * others would otherwise make our bursts look short.
 *
 * Usage: bursts PID SECONDS [THRESHOLD_US]
 * Prints {"seconds": …, "wakeups": …, "bursts": [[start_ms, length_us], …], "lost": …}: those of at least THRESHOLD_US.
 */
#include <dirent.h>
#include <linux/perf_event.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define THREADS_MAX 64
#define RING_PAGES 64
#define PAGE_BYTES 4096
#define NS_PER_S 1000000000ULL

struct thread {
	int descriptor;
	struct perf_event_mmap_page *ring;
	uint64_t on_since_ns;    /* 0 while off the CPU */
	uint64_t burst_begin_ns; /* 0 while asleep */
	uint64_t burst_ns;
};

static uint64_t wakeups, lost, begin_ns, threshold_ns;
static int printed;

static uint64_t now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static int watch(struct thread *thread, pid_t tid)
{
	struct perf_event_attr attributes = {
	        .type = PERF_TYPE_SOFTWARE,
	        .size = sizeof attributes,
	        .config = PERF_COUNT_SW_DUMMY,
	        .sample_type = PERF_SAMPLE_TIME | PERF_SAMPLE_TID,
	        .sample_id_all = 1,
	        .context_switch = 1,
	        .use_clockid = 1,
	        .clockid = CLOCK_MONOTONIC,
	        .watermark = 1,
	        .wakeup_watermark = RING_PAGES * PAGE_BYTES / 2,
	};
	thread->descriptor = (int)syscall(SYS_perf_event_open, &attributes, tid, -1, -1, 0);
	if (thread->descriptor < 0)
		return -1;
	thread->ring =
	        mmap(NULL, (RING_PAGES + 1) * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, thread->descriptor, 0);
	return thread->ring == MAP_FAILED ? -1 : 0;
}

static void end_burst(struct thread *thread)
{
	if (thread->burst_begin_ns && thread->burst_ns >= threshold_ns)
		printf("%s[%.3f, %.1f]", printed++ ? ", " : "", (double)(thread->burst_begin_ns - begin_ns) / 1e6,
		       (double)thread->burst_ns / 1e3);
	thread->burst_begin_ns = thread->burst_ns = 0;
}

static void switched(struct thread *thread, uint16_t misc, uint64_t time_ns)
{
	if (!(misc & PERF_RECORD_MISC_SWITCH_OUT)) {
		thread->on_since_ns = time_ns;
		if (!thread->burst_begin_ns) {
			thread->burst_begin_ns = time_ns;
			wakeups++;
		}
		return;
	}
	if (thread->on_since_ns)
		thread->burst_ns += time_ns - thread->on_since_ns;
	thread->on_since_ns = 0;
	if (!(misc & PERF_RECORD_MISC_SWITCH_OUT_PREEMPT))
		end_burst(thread);
}

static void copy_out(const struct thread *thread, uint64_t from, void *into, size_t size)
{
	const char *data = (const char *)thread->ring + PAGE_BYTES;
	for (size_t index = 0; index < size; index++)
		((char *)into)[index] = data[(from + index) % (RING_PAGES * PAGE_BYTES)];
}

/* Takes what the kernel wrote so far. A switch record is a header followed by pid, tid, time (sample_id_all). */
static void drain(struct thread *thread)
{
	uint64_t head = __atomic_load_n(&thread->ring->data_head, __ATOMIC_ACQUIRE), tail = thread->ring->data_tail;
	while (tail < head) {
		struct perf_event_header header;
		uint64_t time_ns;
		copy_out(thread, tail, &header, sizeof header);
		if (header.type == PERF_RECORD_SWITCH) {
			copy_out(thread, tail + header.size - sizeof time_ns, &time_ns, sizeof time_ns);
			switched(thread, header.misc, time_ns);
		} else if (header.type == PERF_RECORD_LOST) {
			lost++;
		}
		tail += header.size;
	}
	__atomic_store_n(&thread->ring->data_tail, tail, __ATOMIC_RELEASE);
}

static int watch_all(struct thread *threads, const char *pid)
{
	char path[64];
	snprintf(path, sizeof path, "/proc/%s/task", pid);
	DIR *tasks = opendir(path);
	int count = 0;
	for (struct dirent *entry; tasks && count < THREADS_MAX && (entry = readdir(tasks));)
		if (entry->d_name[0] != '.' && watch(&threads[count], atoi(entry->d_name)) == 0)
			count++;
	if (tasks)
		closedir(tasks);
	return count;
}

int main(int argc, char **argv)
{
	static struct thread threads[THREADS_MAX];
	if (argc < 3) {
		fprintf(stderr, "usage: bursts PID SECONDS [THRESHOLD_US]\n");
		return 2;
	}
	begin_ns = now_ns();
	threshold_ns = argc > 3 ? strtoull(argv[3], NULL, 10) * 1000 : 0;
	int count = watch_all(threads, argv[1]);
	if (count == 0) {
		perror("bursts: perf_event_open");
		return 1;
	}
	printf("{\"bursts\": [");
	uint64_t end_ns = begin_ns + (uint64_t)(atof(argv[2]) * 1e9);
	while (now_ns() < end_ns) {
		poll(NULL, 0, 200);
		for (int index = 0; index < count; index++)
			drain(&threads[index]);
	}
	printf("], \"threads\": %d, \"wakeups\": %llu, \"lost\": %llu, \"seconds\": %.3f}\n", count,
	       (unsigned long long)wakeups, (unsigned long long)lost, (double)(now_ns() - begin_ns) / 1e9);
	return 0;
}
