/*
 * A libnvidia-ml that has no GPU: it says what stands in the file that $FAKE_NVML names, which is read at every call, so a
 * test changes GPUs while somebody looks. A line each:
 *
 *	gpu UUID PCI MINOR BUSY MEMORY_USED MEMORY_TOTAL MILLIWATTS CELSIUS MEGAHERTZ THROTTLES ECC_CORRECTED ECC_UNCORRECTED
 *	mig GPU_NUMBER UUID MEMORY_USED MEMORY_TOTAL	an instance of that GPU (from 0)
 *	process GPU_NUMBER PID BYTES
 *	xid GPU_NUMBER NUMBER				told once
 *	fail FUNCTION CODE				an nvmlReturn_t for that function
 *	lost GPU_NUMBER					every question about it fails as NVML_ERROR_GPU_IS_LOST
 *	hang FUNCTION					that function never returns
 *
 * Types and codes: NVML API reference, docs.nvidia.com/deploy/nvml-api.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SUCCESS = 0, NOT_SUPPORTED = 3, NOT_FOUND = 6, INSUFFICIENT = 7, TIMEOUT = 10, LOST = 15 };
enum { MOST = 16 };

struct gpu {
	char uuid[96], pci[32];
	unsigned minor, busy, milliwatts, celsius, megahertz;
	unsigned long long used, total, throttles, corrected, uncorrected;
	int is_lost;
};
struct instance {
	int gpu;
	char uuid[96];
	unsigned long long used, total;
};
struct process {
	int gpu;
	unsigned pid;
	unsigned long long size;
};

static struct gpu gpus[MOST];
static struct instance instances[MOST];
static struct process processes[MOST];
static int gpu_count, instance_count, process_count, xid_gpu, xids_told, xids_in_file;
static unsigned long long xid;
static int handles[2 * MOST];

static int load(const char *function)
{
	char line[512], name[128];
	int code = SUCCESS, value;
	FILE *file = fopen(getenv("FAKE_NVML") ? getenv("FAKE_NVML") : "/nonexistent", "r");

	gpu_count = instance_count = process_count = xids_in_file = 0;
	if (!file)
		return 9;
	while (fgets(line, sizeof(line), file)) {
		struct gpu *g = &gpus[gpu_count];
		struct instance *i = &instances[instance_count];
		struct process *p = &processes[process_count];

		if (sscanf(line, "gpu %95s %31s %u %u %llu %llu %u %u %u %llu %llu %llu", g->uuid, g->pci, &g->minor,
		           &g->busy, &g->used, &g->total, &g->milliwatts, &g->celsius, &g->megahertz, &g->throttles,
		           &g->corrected, &g->uncorrected) == 12) {
			g->is_lost = 0;
			gpu_count++;
		} else if (sscanf(line, "mig %d %95s %llu %llu", &i->gpu, i->uuid, &i->used, &i->total) == 4) {
			instance_count++;
		} else if (sscanf(line, "process %d %u %llu", &p->gpu, &p->pid, &p->size) == 3) {
			process_count++;
		} else if (sscanf(line, "xid %d %llu", &xid_gpu, &xid) == 2) {
			xids_in_file++;
		} else if (sscanf(line, "lost %d", &value) == 1) {
			gpus[value].is_lost = 1;
		} else if (sscanf(line, "fail %127s %d", name, &value) == 2) {
			if (!strcmp(name, function))
				code = value;
		} else if (sscanf(line, "hang %127s", name) == 1 && !strcmp(name, function)) {
			for (;;)
				pause();
		}
	}
	fclose(file);
	return code;
}

#define BEGIN \
	int code = load(__func__); \
	if (code) \
	return code

/* A handle is the address of handles[n]: a GPU's below MOST, an instance's above. */
#define OF_GPU(handle) \
	int number = (int)((int *)(handle) - handles); \
	BEGIN; \
	if (number >= MOST) \
		return NOT_SUPPORTED; \
	if (number >= gpu_count) \
		return NOT_FOUND; \
	if (gpus[number].is_lost) \
	return LOST

int nvmlInitWithFlags(unsigned flags)
{
	(void)flags;
	BEGIN;
	return SUCCESS;
}

int nvmlShutdown(void)
{
	BEGIN;
	return SUCCESS;
}

int nvmlDeviceGetCount_v2(unsigned *count)
{
	BEGIN;
	*count = (unsigned)gpu_count;
	return SUCCESS;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **handle)
{
	BEGIN;
	if ((int)index >= gpu_count)
		return NOT_FOUND;
	if (gpus[index].is_lost)
		return LOST;
	*handle = &handles[index];
	return SUCCESS;
}

int nvmlDeviceGetUUID(void *handle, char *uuid, unsigned size)
{
	int number = (int)((int *)handle - handles);

	BEGIN;
	if (number < MOST && gpus[number].is_lost)
		return LOST;
	snprintf(uuid, size, "%s", number < MOST ? gpus[number].uuid : instances[number - MOST].uuid);
	return SUCCESS;
}

struct pci_info {
	char legacy[16];
	unsigned domain, bus, device, device_id, subsystem_id;
	char bus_id[32];
};

int nvmlDeviceGetPciInfo_v3(void *handle, struct pci_info *info)
{
	OF_GPU(handle);
	memset(info, 0, sizeof(*info));
	snprintf(info->bus_id, sizeof(info->bus_id), "%s", gpus[number].pci);
	return SUCCESS;
}

int nvmlDeviceGetName(void *handle, char *name, unsigned size)
{
	(void)handle;
	BEGIN;
	snprintf(name, size, "Imaginary 80GB");
	return SUCCESS;
}

int nvmlDeviceGetUtilizationRates(void *handle, unsigned *rates)
{
	OF_GPU(handle);
	rates[0] = gpus[number].busy;
	rates[1] = gpus[number].busy / 2;
	return SUCCESS;
}

int nvmlDeviceGetMemoryInfo(void *handle, unsigned long long *memory)
{
	int number = (int)((int *)handle - handles);

	BEGIN;
	if (number < MOST && gpus[number].is_lost)
		return LOST;
	memory[0] = number < MOST ? gpus[number].total : instances[number - MOST].total;
	memory[2] = number < MOST ? gpus[number].used : instances[number - MOST].used;
	memory[1] = memory[0] - memory[2];
	return SUCCESS;
}

#define FIGURE(function, type, value) \
	int function(void *handle, type *told) \
	{ \
		OF_GPU(handle); \
		*told = (value); \
		return SUCCESS; \
	}
FIGURE(nvmlDeviceGetMinorNumber, unsigned, gpus[number].minor)
FIGURE(nvmlDeviceGetPowerUsage, unsigned, gpus[number].milliwatts)
FIGURE(nvmlDeviceGetTotalEnergyConsumption, unsigned long long, gpus[number].milliwatts * 1000ULL)
FIGURE(nvmlDeviceGetCurrentClocksThrottleReasons, unsigned long long, gpus[number].throttles)
FIGURE(nvmlDeviceGetPcieReplayCounter, unsigned, 0)
FIGURE(nvmlDeviceGetMaxMigDeviceCount, unsigned, MOST)

#define FIGURE_OF(function, value) \
	int function(void *handle, int which, unsigned *told) \
	{ \
		OF_GPU(handle); \
		(void)which; \
		*told = (value); \
		return SUCCESS; \
	}
FIGURE_OF(nvmlDeviceGetTemperature, gpus[number].celsius)
FIGURE_OF(nvmlDeviceGetClockInfo, gpus[number].megahertz)
FIGURE_OF(nvmlDeviceGetMaxClockInfo, 1980)

int nvmlDeviceGetTotalEccErrors(void *handle, int kind, int counter, unsigned long long *told)
{
	OF_GPU(handle);
	(void)counter;
	*told = kind ? gpus[number].uncorrected : gpus[number].corrected;
	return SUCCESS;
}

int nvmlDeviceGetNvLinkState(void *handle, unsigned link, unsigned *state)
{
	OF_GPU(handle);
	*state = 1;
	return link < 2 ? SUCCESS : NOT_SUPPORTED;
}

int nvmlDeviceGetNvLinkErrorCounter(void *handle, unsigned link, int kind, unsigned long long *told)
{
	OF_GPU(handle);
	(void)kind;
	*told = link;
	return SUCCESS;
}

static int instances_of(int gpu)
{
	int count = 0;

	for (int i = 0; i < instance_count; i++)
		count += instances[i].gpu == gpu;
	return count;
}

int nvmlDeviceGetMigMode(void *handle, unsigned *current, unsigned *pending)
{
	OF_GPU(handle);
	*current = *pending = instances_of(number) > 0;
	return SUCCESS;
}

int nvmlDeviceGetMigDeviceHandleByIndex(void *handle, unsigned index, void **instance)
{
	OF_GPU(handle);
	for (int i = 0; i < instance_count; i++)
		if (instances[i].gpu == number && index-- == 0) {
			*instance = &handles[MOST + i];
			return SUCCESS;
		}
	return NOT_FOUND;
}

struct process_info {
	unsigned pid;
	unsigned long long size;
	unsigned gpu_instance, compute_instance;
};

int nvmlDeviceGetComputeRunningProcesses_v3(void *handle, unsigned *count, struct process_info *told)
{
	unsigned found = 0;

	OF_GPU(handle);
	for (int i = 0; i < process_count; i++)
		if (processes[i].gpu == number) {
			if (told && found < *count) {
				memset(&told[found], 0, sizeof(told[found]));
				told[found].pid = processes[i].pid;
				told[found].size = processes[i].size;
			}
			found++;
		}
	if (found && !told) {
		*count = found;
		return INSUFFICIENT;
	}
	*count = found;
	return SUCCESS;
}

int nvmlDeviceGetGraphicsRunningProcesses_v3(void *handle, unsigned *count, struct process_info *told)
{
	(void)told;
	OF_GPU(handle);
	*count = 0;
	return SUCCESS;
}

int nvmlEventSetCreate(void **set)
{
	BEGIN;
	*set = handles;
	return SUCCESS;
}

int nvmlDeviceRegisterEvents(void *handle, unsigned long long types, void *set)
{
	OF_GPU(handle);
	(void)types;
	(void)set;
	return SUCCESS;
}

struct event {
	void *device;
	unsigned long long type, data;
	unsigned gpu_instance, compute_instance;
};

int nvmlEventSetWait_v2(void *set, struct event *event, unsigned timeout)
{
	(void)set;
	(void)timeout;
	BEGIN;
	if (xids_told >= xids_in_file)
		return TIMEOUT;
	xids_told++;
	memset(event, 0, sizeof(*event));
	event->device = &handles[xid_gpu];
	event->data = xid;
	return SUCCESS;
}

const char *nvmlErrorString(int code)
{
	(void)code;
	return "an imaginary error";
}
