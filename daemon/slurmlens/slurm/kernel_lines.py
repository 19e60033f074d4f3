"""Kernel lines of trouble, as a table with one row a kind: pure.

Owns the rows, in the words of the kernels that enterprise distributions ship (3.10 to 6.x: `mm/oom_kill.c`,
`kernel/hung_task.c`, `arch/x86/mm/fault.c`, drivers), NVIDIA's driver, Lustre and NFS clients. A line that carries a
cgroup path, a pid or a PCI address has it among its fields (`cgroup`, `limit_cgroup`, `pid`, `pci`): which job that is,
`hub.logs` and the node find out. Lines of a stack or of cgroup statistics fit no row and stay text.

To add a kind: one row, and one line in tests/fixtures/log_lines/kernel.txt. The shapes' language: `line_shapes`.
"""

from __future__ import annotations

from slurmlens.log_lines import LineFact
from slurmlens.slurm.line_shapes import first_fact, line_kind

_KILLED = "Killed process <pid:n> (<command:text>) total-vm:<vm_kb:n>kB, anon-rss:<anon_kb:n>kB, file-rss:<file_kb:n>kB"

KINDS = (
    # memory: 5.0 and later tell both paths in one line, 3.10 to 4.18 in two
    line_kind(
        "oom_kill",
        "oom_memcg=",
        "oom_memcg=<limit_cgroup:text>,task_memcg=<cgroup:text>,task=<command:text>,pid=<pid:n>,uid=<user_id:n>",
    ),
    line_kind(
        "host_out_of_memory",
        "global_oom",
        ",global_oom,task_memcg=<cgroup:text>,task=<command:text>,pid=<pid:n>,uid=<user_id:n>",
    ),
    line_kind(
        "oom_kill", "killed as a result of limit", "Task in <cgroup> killed as a result of limit of <limit_cgroup>"
    ),
    line_kind("oom_group_kill", "memory.oom.group", "Tasks in <cgroup> are going to be killed due to memory.oom.group"),
    line_kind("oom_victim", "Memory cgroup out of memory: Killed", "Memory cgroup out of memory: " + _KILLED),
    line_kind("host_oom_victim", "Out of memory: Killed", "Out of memory: " + _KILLED),
    line_kind("oom_victim", "Killed process", _KILLED),
    line_kind("fork_refused", "fork rejected by pids", "cgroup: fork rejected by pids controller in <cgroup>"),
    # tasks
    line_kind(
        "hung_task",
        "blocked for more than",
        "INFO: task <command:text>:<pid:n> blocked for more than <duration_s:n> seconds",
    ),
    line_kind(
        "soft_lockup",
        "soft lockup",
        "BUG: soft lockup - CPU#<cpu:n> stuck for <duration_s:n>s! [<command:text>:<pid:n>]",
    ),
    line_kind(
        "segfault",
        "]: segfault at",
        "<command>[<pid:n>]: segfault at <address> ip <ip> sp <sp> error <code:n>{ in <object>}?",
    ),
    line_kind("trap", "traps: ", "traps: <command>[<pid:n>] {general protection|trap <trap:text>} ip:"),
    # hardware
    line_kind("memory_error", "EDAC MC", "EDAC MC<controller:n>: <count:n> <severity> <problem:text> on <dimm>"),
    line_kind("memory_page_failed", "Memory failure: ", "Memory failure: <page>: Killing <command:text>:<pid:n>"),
    line_kind(
        "machine_check",
        "Machine Check",
        "[Hardware Error]: CPU <cpu:n>: Machine Check{ Exception}?: <code> Bank <bank:n>: <status>",
    ),
    line_kind("machine_check", "[Hardware Error]: Machine check", "[Hardware Error]: Machine check events logged"),
    line_kind(
        "gpu_error",
        "NVRM: Xid",
        "NVRM: Xid (PCI:<pci>): <xid:n>, pid=<pid:n>, name=<command:text>, <problem:rest>",
    ),
    line_kind("gpu_error", "NVRM: Xid", "NVRM: Xid ({PCI:}?<pci>): <xid:n>, <problem:rest>"),
    line_kind("gpu_gone", "fallen off the bus", "NVRM: GPU <pci>: GPU has fallen off the bus"),
    line_kind("nvswitch_error", "SXid", "nvidia-nvswitch<switch:n>: SXid <problem:rest>"),
    line_kind(
        "throttled",
        "cpu clock throttled",
        "CPU<cpu:n>: {Core|Package} temperature above threshold, cpu clock throttled (total events = <count:n>)",
    ),
    # networks
    line_kind("link_down", "Link down", "mlx5_core <pci> <interface>: Link down"),
    line_kind("link_up", "Link up", "mlx5_core <pci> <interface>: Link up"),
    line_kind("cable", "Port module event", "mlx5_core <pci>: Port module event: module <module:n>, <problem:rest>"),
    line_kind("slot_power_low", "insufficient power", "mlx5_core <pci>: Detected insufficient power on the PCIe slot"),
    # file systems
    line_kind("lustre_evicted", "was evicted by", "This client was evicted by <target>;"),
    line_kind("lustre_lost", "Connection to ", "<device>: Connection to <target> (at <peer>) was lost"),
    line_kind("lustre_back", "Connection restored", "<device>: Connection restored to <target>"),
    line_kind("lustre_failed", " failed: rc = ", "operation <operation> to node <peer> failed: rc = -<code:n>"),
    line_kind("nfs_silent", "not responding", "nfs: server <server> not responding"),
    line_kind("nfs_back", "nfs: server ", "nfs: server <server> OK"),
    line_kind("file_system_error", "EXT4-fs error", "EXT4-fs error (device <device>): <problem:rest>"),
    line_kind("file_system_read_only", "emounting filesystem read-only", "emounting filesystem read-only"),
    line_kind(
        "file_system_down", "Shutting down filesystem", "XFS (<device>): {<problem:text>}?Shutting down filesystem"
    ),
    line_kind("disk_error", "I/O error, dev", "I/O error, dev <device>, sector <sector:n>"),
    line_kind("disk_timeout", "reset controller", "nvme <device>: I/O <problem:text>reset controller"),
    line_kind("disk_gone", "Disabling device after", "Disabling device after reset failure"),
)


def understand(text: str) -> LineFact | None:
    """The fact in a kernel line; None where no row fits."""
    return first_fact(KINDS, text)
