"""`make demo`: a small real Slurm with everything on it, jobs that show what there is to see, checks, and a URL.

Says at each step what it does and how far it is; stays until Ctrl-C and leaves nothing behind. With --exit-after-check
it ends after the checks. Exit status 0 only if every check was good.
"""

from __future__ import annotations

import argparse
import fcntl
import signal
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

from deploy import campaign, checks, instance, json_client, logins, slurmlens
from deploy.assessing import Assessing
from deploy.cache import cache_root
from deploy.common_cause import check_common_cause
from deploy.errors import DeployError
from deploy.findings import check_findings
from deploy.partition_change import check_partition_of_then, take_a_node_out
from deploy.progress import Progress
from deploy.running import Ended, run_jobs
from deploy.sandbox import CHECKOUT, Sandbox, require_programs
from deploy.slurmlens import program
from deploy.stack import Stack
from deploy.usage import check_usage
from deploy.workloads import build, scenario

STEPS = 10
DEFAULT_SEED = 2015
LOGINS = {
    "alice": "who sees her own",
    "bob": "who sees his own",
    logins.OPERATOR: "the operator",
    "carol": "the management",
    "eve": "the auditor",
}


def main() -> int:
    options = _options()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell that starts us with & has it ignored
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))
    progress = Progress(STEPS + 2 * options.with_galaxy)
    try:
        return _demo(options, progress)
    except DeployError as error:
        progress.say(f"cannot go on: {error}")
        return 1
    except KeyboardInterrupt:
        progress.say("interrupted")
        return 130


def _demo(options: argparse.Namespace, progress: Progress) -> int:
    with progress.step("setting up: Debian packages, Python and C parts (a minute or two the first time)"):
        _set_up()
    with progress.step("making the private namespace"):
        removed = instance.remove_leftovers()
        if removed:
            progress.say(f"removed what killed instances left: {', '.join(removed)}")
        sandbox = Sandbox()
        progress.say(f"instance {sandbox.identity}; everything is below {sandbox.folder}")
    with sandbox:
        try:
            return _in_sandbox(options, progress, sandbox)
        finally:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            progress.say("stopping; nothing is left behind")


def _in_sandbox(options: argparse.Namespace, progress: Progress, sandbox: Sandbox) -> int:
    assessing = Assessing(sandbox) if options.with_galaxy else None
    rules = slurmlens.RULES + (assessing.hub_table if assessing else "")
    stack = Stack(sandbox, with_plugin=True, rules=rules)
    if assessing is not None:
        with progress.step("starting Galaxy, which goes on beside the rest (fetched the first time: 1.1 GB)"):
            assessing.start(stack.hub.url)
    _start(stack, progress, assessing)
    with progress.step("submitting jobs"):
        folder = str(build.build(sandbox))
        planned = scenario.jobs(stack.slurm.node_names, options.seed, options.random)
        progress.say(f"seed {options.seed}; the faulty node is {stack.slurm.node_names[-1]}")
    with progress.step(f"running {len(planned)} jobs to their end"):
        ended = run_jobs(stack.slurm, planned, folder, progress.say)
    with progress.step("checking"):
        json_client.log_in(logins.link(stack, logins.OPERATOR))
        checks.check_all(stack, ended, progress.check)
        logins.check_each_sees_his_own(stack, ended, progress.check)
    with progress.step("running a campaign: the fastest block size of a matrix product"):
        campaign.run_campaign(stack.slurm, stack.hub.url, progress.say, progress.check)
    if assessing is not None:
        with progress.step("assessing the failed job in Galaxy"):
            failed = next(one.job_id for one in ended if one.planned.role is scenario.Role.MPI_FAULTY)
            assessing.check(stack.hub.url, failed, progress.say, progress.check)
    with progress.step("showing"):
        _show(stack, ended, progress)
    good = progress.failures == 0
    progress.say("every check was good" if good else f"{progress.failures} checks were BAD")
    if not options.exit_after_check:
        progress.say("Ctrl-C ends it and leaves nothing behind")
        signal.pause()
    if assessing is not None:
        assessing.stop()
    stack.stop()
    return 0 if good else 1


def _start(stack: Stack, progress: Progress, assessing: Assessing | None) -> None:
    with progress.step("starting Slurm: munge, MariaDB, slurmdbd, slurmctld, one slurmd a node"):
        progress.say(f"jobs are counted by {stack.slurm.cgroup.kind.value}: {stack.slurm.cgroup.reason}")
        if not stack.slurm.cgroup.has_cgroups:
            progress.say("so jobs run WITHOUT counters here: no CPU, memory or I/O of theirs will be shown")
        stack.start_slurm()
        progress.say(f"nodes: {' '.join(stack.slurm.node_names)}")
    with progress.step("starting carbon and graphite-web (built the first time, a minute)"):
        stack.start_carbon()
        progress.say(f"carbon on port {stack.carbon.port}, graphite-web at {stack.carbon.url}/render")
    with progress.step("starting the hub, and a node daemon for each node"):
        if assessing is not None:
            assessing.wait()
        stack.start_hub()
        stack.start_nodes()
        stack.start_forwarders()
        progress.say(f"the hub answers at {stack.hub.url}/jobs")
        who = slurmlens.user(stack.sandbox)
        why = "" if who == slurmlens.USER else f": user {slurmlens.USER} cannot read this checkout"
        progress.say(f"hub and node daemons run as {who}{why}")


def _show(stack: Stack, ended: Sequence[Ended], progress: Progress) -> None:
    """The URLs, the report of the job that says most, and what the hub says of the faulty node."""
    job_id = next(each.job_id for each in ended if each.planned.role is scenario.Role.MPI_FAULTY)
    faulty = stack.slurm.node_names[-1]
    gone = take_a_node_out(stack.slurm)  # the hub has heard of it by the time it is asked
    for command in (("job", str(job_id)), ("node", faulty), ("common-cause",)):
        _show_report(stack, command, progress)
    check_common_cause(stack.hub.url, faulty, progress.check)
    check_usage(stack.hub.url, len(ended), progress.check)
    _show_report(stack, ("audit", "--day", f"{datetime.now(UTC):%Y-%m-%d}", "--make"), progress)
    finding = check_findings(stack.hub.url, stack.slurm, faulty, ended, progress.check)
    if finding is not None:
        _show_report(stack, ("findings", finding), progress)
        progress.say(f"what was found: {stack.hub.url}/findings/{finding}")
    check_partition_of_then(stack.hub.url, stack.slurm, job_id, gone, progress.check)
    _show_report(stack, ("job", str(job_id), "--timeline"), progress)
    _check_shell(stack.sandbox.identity, progress)
    progress.say(f"all jobs:  {stack.hub.url}/jobs")
    progress.say(f"one job:   {stack.hub.url}/jobs/{job_id}")
    progress.say(f"its time line: {stack.hub.url}/jobs/{job_id}/timeline")
    progress.say(f"its lines: {stack.hub.url}/logs?job={job_id}")
    progress.say(f"the node:  {stack.hub.url}/nodes/{faulty}")
    progress.say(f"who used what: {stack.hub.url}/management")
    progress.say(f"ours and Slurm's accounting: {stack.hub.url}/audit")
    progress.say(f"a shell:   python3 -m deploy shell --instance {stack.sandbox.identity} --user alice")
    progress.say("links that log a browser in, once, within an hour; a private window each keeps them apart:")
    for user, role in LOGINS.items():
        progress.say(f"  {user + ', ' + role:<26} {logins.link(stack, user)}")


def _check_shell(identity: str, progress: Progress) -> None:
    """Whoever opens the shell that the demo names finds `slurmlens` there, and it asks the demo's hub as alice."""
    argv = [sys.executable, "-m", "deploy", "run", "--instance", identity, "--user", "alice", "slurmlens", "jobs"]
    done = subprocess.run(argv, cwd=CHECKOUT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    is_alices = "alice" in done.stdout and "bob" not in done.stdout
    progress.check(done.returncode == 0 and is_alices, "in the shell, `slurmlens jobs` shows alice her own")


def _show_report(stack: Stack, command: Sequence[str], progress: Progress) -> None:
    argv = [str(program("slurmlens")), *command, "--hub", stack.hub.url]
    shown = stack.sandbox.run(argv, check=False)  # inside, where its munge says to the hub that the operator asks
    progress.say(f"# slurmlens {' '.join(argv[1:])}")
    progress.say(shown.stdout or shown.stderr)
    progress.check(shown.returncode == 0, f"slurmlens {command[0]} shows its report")


def _set_up() -> None:
    """`make setup`, in a pid namespace that ends with us: killed, it leaves no pip or apt behind."""
    require_programs(("make", "unshare", "setpriv"))
    # Two demos at once on a fresh machine: one sets up, the other waits and finds everything there.
    with (cache_root() / "setup.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _make_setup()


def _make_setup() -> None:
    contained = ["setpriv", "--pdeathsig=KILL", "unshare", "--pid", "--mount", "--fork", "--kill-child", "--mount-proc"]
    command = ["make", "--no-print-directory", "-C", str(CHECKOUT), "setup"]
    done = subprocess.run([*contained, *command], stdin=subprocess.DEVNULL, check=False)
    if done.returncode != 0:
        raise DeployError("`make setup` failed; its words are above")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make demo ARGS=…", description=__doc__)
    parser.add_argument("--exit-after-check", action="store_true", help="end after the checks, for tests")
    parser.add_argument(
        "--with-galaxy", action="store_true", help="a Galaxy that assesses what fails, 2 minutes longer"
    )
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED, help="of the random jobs")
    parser.add_argument("--random", type=int, default=3, metavar="COUNT", help="how many random jobs")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
