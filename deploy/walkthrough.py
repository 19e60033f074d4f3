"""`make walkthrough`: the ancestor's own walkthrough in ten steps on a whole stack, printed with what was seen.

Pictures of the pages are kept (`--pictures FOLDER`). A step that fails is said, and the next ones go on as far as they
can; the exit status is 0 only if every check of every step was good. The steps are those that the ancestor's author
showed, with what he promised beside.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from deploy import json_client, logins
from deploy.campaign import run_campaign
from deploy.common_cause import check_common_cause
from deploy.components import neo4j
from deploy.errors import DeployError
from deploy.findings import check_findings
from deploy.json_client import Browser
from deploy.progress import Progress
from deploy.running import Ended, run_jobs
from deploy.sandbox import CHECKOUT, Sandbox, require_programs
from deploy.slurmlens import program
from deploy.usage import check_usage
from deploy.whole import description, pictures, secrets
from deploy.whole.commands import NEEDED
from deploy.whole.proofs import prove
from deploy.whole.record import read
from deploy.whole.running import RunningProcesses
from deploy.whole.supervisor import Supervisor
from deploy.workloads import build
from deploy.workloads.generate import Fault, pingpong, submissions
from deploy.workloads.scenario import FAULT_AFTER_S, Planned, Role, expected_end

STEPS = 10
COMPUTE = 4
JOBS, MOST_NODES, SEED = 10, 3, 2015
BOARD_MAX_S = 10.0
MOST_ROWS = 1000
EVENT_OFF_MAX_S = 2.0
WAIT_MAX_S = 120.0
RUN_MAX_S = 500.0
ASSESSED_MAX_S = 400.0
ERROR_WORDS = "Job failed (tell you a secret"


class Walkthrough:
    """One walk over one stack; a step is a method, in the order of `steps`."""

    def __init__(self, supervisor: Supervisor, sandbox: Sandbox, progress: Progress, kept: Path) -> None:
        self._supervisor, self._sandbox, self._progress, self._kept = supervisor, sandbox, progress, kept
        self._slurm = supervisor.processes.slurm
        self._hub = supervisor.processes.hub.url
        self._faulty = f"{sandbox.identity}-compute2"
        self._ended: list[Ended] = []
        self._overview: list[str] = []

    @property
    def steps(self) -> list[tuple[str, Callable[[], None]]]:
        """What each step is, and the step."""
        return [
            ("bring up the stack; all services are green in the status view", self.bring_up),
            (f"generate_work {JOBS} {MOST_NODES} compute2: random jobs, and the faulty node", self.generate_work),
            ("the overview: counts as squeue has them, nodes by user and group, the job map", self.overview),
            ("each job has its board, a failed one its 'Job failed' event at the right second", self.boards),
            ("the inventory has the failed jobs with their nodes; the common cause names compute2", self.inventory),
            ("operators see the known problem of compute2; after draining it the incident is over", self.known_problem),
            ("john reads why his job failed and sees none of alice's; the management's sums fit", self.viewers),
            ("the failed job's end triggered the assessment once; its report hangs on the job", self.assessment),
            ("a campaign finds the known optimum, and survives a kill of its controller", self.campaign),
            ("compute grows by two and shrinks by one: Slurm, Consul, boards and inventory follow", self.scale),
        ]

    def bring_up(self) -> None:
        self._supervisor.up(COMPUTE)
        threading.Thread(target=self._supervisor.keep, daemon=True).start()
        json_client.log_in(self._link(logins.OPERATOR))
        for proof in prove(self._running()):
            self._check(proof.is_good, f"{proof.service}: {proof.said}")
        self._take("1-status", {"status": "/status", "cluster": "/cluster"})

    def generate_work(self) -> None:
        fault = Fault(self._faulty, FAULT_AFTER_S)
        random_jobs = [Planned(Role.RANDOM, each, "") for each in submissions(SEED, JOBS, MOST_NODES, fault)]
        with_it, failed = f"--nodelist={self._faulty}", ("FAILED", "42:0")
        faulty = [
            Planned(Role.ALONE_FAULTY, pingpong(who, 1, (1, 1, 8192), fault, with_it), *failed)
            for who in ("john", "dave")
        ]
        both = Planned(Role.SCRIPT_FAULTY, pingpong("alice", 2, (8, 4, 8192), fault, with_it), *failed)
        folder = str(build.build(self._sandbox))
        watching = threading.Event()
        watcher = threading.Thread(target=self._watch_overview, args=(watching,), daemon=True)
        watcher.start()
        try:
            self._ended = run_jobs(self._slurm, [*random_jobs, *faulty, both], folder, self._progress.say, RUN_MAX_S)
        finally:
            watching.set()
            watcher.join()
        for each in self._ended:
            got = (each.accounted.state, each.accounted.exit_code)
            expected = expected_end(each.planned, each.nodes, self._faulty)
            self._check(got == expected, f"job {each.job_id} on {each.accounted.nodes} is {' '.join(got)}")

    def overview(self) -> None:
        self._check(bool(self._overview), f"while jobs ran: {self._overview[-1] if self._overview else 'never alike'}")
        ended = self._until(lambda: self._counted("ended") >= len(self._ended))
        self._check(ended, f"all {len(self._ended)} have ended there, too: {self._counted('ended')}")
        for kind, member in (("user", "john"), ("account", "guests")):
            found = self._until(functools.partial(self._jobs_of, kind, member))
            self._check(bool(found), f"jobs by {kind}: {member} has {found}")
        nodes = {row["name"]: row["state"]["tone"] for row in json_client.get(f"{self._hub}/nodes.json")["rows"]}
        self._check(len(nodes) == COMPUTE and all(nodes.values()), f"the map's colours: {nodes}")
        self._take("3-overview", {"jobs": "/jobs", "nodes": "/nodes", "partition": "/partitions/all"})

    def boards(self) -> None:
        folder = self._sandbox.make_folder("boards")
        options = [f"--job={each.job_id}" for each in self._ended]
        began_s = time.monotonic()
        argv = [str(program("slurmlens")), "dashboards", "--out", str(folder), "--hub", self._hub]
        for option in options:
            self._sandbox.run([*argv, option])
        took_s = time.monotonic() - began_s
        made = sorted(path.name for path in folder.glob("*.json"))
        self._check(
            bool(made) and took_s / len(options) < BOARD_MAX_S, f"{len(options)} jobs' boards in {took_s:.1f} s"
        )
        failed = self._failed("john")
        rows = self._until(lambda: [row for row in self._lines(failed.job_id) if ERROR_WORDS in row["message"]])
        self._check(bool(rows), f"job {failed.job_id} says: {rows[0]['message'] if rows else 'nothing'}")
        if rows:
            ended_ns = json_client.get(f"{self._hub}/jobs/{failed.job_id}.json")["times"]["ended_ns"]
            off_s = abs(rows[0]["time_ns"] - ended_ns) / 1e9
            self._check(off_s < EVENT_OFF_MAX_S, f"the event stands {off_s:.1f} s from the job's end")
        self._take("4-job", {"failed-job": f"/jobs/{failed.job_id}", "its-lines": f"/logs?job={failed.job_id}"})

    def inventory(self) -> None:
        password = secrets.read(self._sandbox.folder / "secrets").neo4j
        query = "MATCH (n:Node)-[:PART_OF]->(j:Job) WHERE j.state = 'FAILED' RETURN j.jobid, n.name"
        wanted = {
            (str(each.job_id), node) for each in self._ended if each.accounted.state == "FAILED" for node in each.nodes
        }
        neo4j_url = self._supervisor.record.addresses["neo4j"]

        def rows() -> set[tuple[str, str]]:
            return {(str(job), node) for job, node in neo4j.ask(neo4j_url, password, query)}

        self._until(lambda: rows() >= wanted)
        found = rows()
        self._check(found == wanted, f"{query}: {len(found)} pairs, those of accounting")
        check_common_cause(self._hub, self._faulty, self._check)
        self._take("5-inventory", {"common-cause": "/common-cause", "node": f"/nodes/{self._faulty}"})

    def known_problem(self) -> None:
        self._take("6-findings", {"findings": "/findings"})
        finding = check_findings(self._hub, self._slurm, self._faulty, self._ended, self._check)
        if finding:
            self._take("6-finding", {"finding": f"/findings/{finding}"})

    def viewers(self) -> None:
        john = self._as("john")
        owners = {each.job_id: each.accounted.user for each in self._ended}
        seen = {row["job_id"] for row in json_client.get(f"{self._hub}/jobs.json", {"limit": MOST_ROWS}, john)["rows"]}
        theirs = {job_id for job_id, owner in owners.items() if owner == "john"}
        self._check(
            seen & set(owners) == theirs, f"john is shown {len(seen & set(owners))} of {len(owners)} jobs, his own"
        )
        failed = self._failed("john")
        view = json_client.get(f"{self._hub}/jobs/{failed.job_id}.json", None, john)
        self._check("42:0" in view["state_text"], f"his post mortem: {view['state_text']}")
        report = self._sandbox.run(
            [str(program("slurmlens")), "job", str(failed.job_id), "--hub", self._hub], user="john"
        )
        self._progress.say(report.stdout)
        check_usage(self._hub, len(self._ended), self._check)
        whole = json_client.get(f"{self._hub}/api/v1/management")["tables"][0]["whole"]
        lost = sum(each.accounted.state == "FAILED" for each in self._ended)
        self._check(
            whole["failed"] >= lost, f"the day's report: {whole['failed']} of {whole['sums']['ended']} runs failed"
        )
        self._take("7-john", {"his-job": f"/jobs/{failed.job_id}", "his-page": "/me"}, user="john")
        self._take("7-management", {"management": "/management"}, user="carol")

    def assessment(self) -> None:
        assessing = self._supervisor.processes.assessing
        if assessing is None:
            self._check(False, "there is no Galaxy in this stack (left out with --without-galaxy)")
            return
        failed = [each.job_id for each in self._ended if each.accounted.state == "FAILED"]
        # Galaxy takes some at once, in no order of ours: the report of whichever is done first is looked at.
        done = self._until(lambda: [job_id for job_id in failed if self._assessed(job_id)], ASSESSED_MAX_S) or failed
        assessing.check(self._hub, done[0], self._progress.say, self._check)
        for job_id in failed:
            told = json_client.get(f"{self._hub}/jobs/{job_id}.json").get("assessments", [])
            self._check(len(told) == 1, f"the end of job {job_id} triggered {len(told)} assessment")
        self._take("8-assessed", {"job": f"/jobs/{done[0]}"})

    def campaign(self) -> None:
        run_campaign(self._slurm, self._hub, self._progress.say, self._check, with_a_kill=True)
        self._take("9-campaign", {"campaign": "/campaigns/alice/block-size"})

    def scale(self) -> None:
        before = self._nodes_of_slurm()
        self._scaled(COMPUTE + 2)
        grown = self._nodes_of_slurm()
        self._check(len(grown - before) == 2, f"Slurm has {', '.join(sorted(grown - before))} too")
        self._check(self._until(lambda: self._nodes_of_hub() == grown), "the hub's inventory has them")
        self._scaled(COMPUTE + 1)
        left = grown - self._nodes_of_slurm()
        self._check(len(left) == 1, f"{', '.join(left)} was drained and is gone from Slurm")
        gone = next(iter(left))
        registered = json_client.get(f"{self._supervisor.record.addresses['consul']}/v1/health/service/slurmd")
        self._check(gone not in {one["Service"]["Meta"]["node"] for one in registered}, "discovery knows it no more")
        self._check(self._until(lambda: gone not in self._nodes_of_hub()), "the hub's page of nodes has it no more")
        history = json_client.get(f"{self._hub}/nodes/{gone}.json")
        self._check(bool(history), f"and its history is still there: /nodes/{gone}")
        folder = self._sandbox.make_folder("boards-after")
        self._sandbox.run([str(program("slurmlens")), "dashboards", "--out", str(folder), "--hub", self._hub])
        texts = "".join(path.read_text() for path in folder.glob("*.json"))
        new = sorted(self._nodes_of_slurm() - before)
        self._check(all(name in texts for name in new), f"boards have {', '.join(new)}")
        self._take("10-scaled", {"nodes": "/nodes", "node-that-left": f"/nodes/{gone}"})

    def _scaled(self, count: int) -> None:
        argv = [str(program("slurmlens")), "stack", "scale", "--name", self._supervisor.record.name, f"compute={count}"]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        self._progress.say(f"$ slurmlens stack scale compute={count}\n{done.stdout}{done.stderr}")
        self._check(done.returncode == 0, f"scaled to {count}")

    def _nodes_of_slurm(self) -> set[str]:
        return set(self._slurm.slurm("sinfo", "-hNo", "%N").split())

    def _nodes_of_hub(self) -> set[str]:
        return {row["name"] for row in json_client.get(f"{self._hub}/nodes.json")["rows"]}

    def _counted(self, phase: str) -> int:
        counts = json_client.get(f"{self._hub}/jobs.json", {"limit": MOST_ROWS})["counts"]
        return int(counts[phase])

    def _jobs_of(self, kind: str, name: str) -> str:
        """How many jobs the hub lists for it, where those are as many as accounting has."""
        rows = json_client.get(f"{self._hub}/jobs.json", {kind: name, "limit": MOST_ROWS})["rows"]
        expected = [each for each in self._ended if getattr(each.accounted, kind) == name]
        return f"{len(rows)} jobs, as in accounting" if len(rows) == len(expected) else ""

    def _watch_overview(self, ended: threading.Event) -> None:
        """Notes each time at which the hub counts running and waiting jobs as squeue does."""
        browser = self._as(logins.OPERATOR)
        while not ended.wait(1.0):
            with contextlib.suppress(DeployError):
                states = sorted(self._slurm.slurm("squeue", "-ho", "%T").split())
                counts = json_client.get(f"{self._hub}/jobs.json", {"limit": MOST_ROWS}, browser)["counts"]
                running, waiting = states.count("RUNNING"), states.count("PENDING")
                if running + waiting and (counts["running"], counts["pending"]) == (running, waiting):
                    self._overview.append(f"{running} running, {waiting} waiting, in the hub as in squeue")

    def _lines(self, job_id: int) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = json_client.get(f"{self._hub}/logs.json", {"job": job_id, "limit": 500})["rows"]
        return rows

    def _failed(self, user: str) -> Ended:
        found = [each for each in self._ended if each.accounted.user == user and each.accounted.state == "FAILED"]
        if not found:
            raise DeployError(f"{user} has no failed job: step 2 did not come so far")
        return found[0]

    def _running(self) -> RunningProcesses:
        seen = read(self._sandbox.folder)
        assert seen is not None
        return RunningProcesses(self._sandbox.folder, seen)

    def _link(self, user: str) -> str:
        argv = [str(program("slurmlens")), "login", "--hub", self._hub]
        return self._sandbox.run(argv, user=user).stdout.strip()

    def _as(self, user: str) -> Browser:
        return json_client.log_in(self._link(user), json_client.new_browser())

    def _take(self, step: str, pages: dict[str, str], user: str = logins.OPERATOR) -> None:
        """Keeps pictures; that there are none is a failure of the step."""
        named = {f"{step}-{name}": f"{self._hub}{path}" for name, path in pages.items()}
        taken = pictures.take(self._link(user), self._kept, named)
        self._progress.say(f"pictures: {', '.join(path.name for path in taken)}")

    def _check(self, good: bool, text: str) -> None:
        self._progress.check(bool(good), text)

    def _assessed(self, job_id: int) -> bool:
        """Whether its report is there."""
        told = json_client.get(f"{self._hub}/jobs/{job_id}.json").get("assessments", [])
        return any(one["state"] == "done" for one in told)

    def _until(self, look: Callable[[], Any], most_s: float = WAIT_MAX_S) -> Any:
        """What `look` sees when it sees something, or in the end."""
        deadline_s = time.monotonic() + most_s
        while not (seen := look()) and time.monotonic() < deadline_s:
            time.sleep(0.5)
        return seen


def main() -> int:
    options = _options()
    progress = Progress(STEPS)
    rows = description.chosen([] if options.without_galaxy else ["galaxy"])
    began_s = time.monotonic()
    try:
        require_programs(NEEDED)
        with Sandbox() as sandbox:
            supervisor = Supervisor(f"walkthrough-{sandbox.identity}", sandbox, rows, {})
            walk = Walkthrough(supervisor, sandbox, progress, options.pictures)
            try:
                for number, (what, step) in enumerate(walk.steps, 1):
                    with progress.step(what), _said(progress):
                        step()
                    if number == 1 and supervisor.record.phase != "up":
                        break
                if options.stay:
                    progress.say(f"the hub answers at {supervisor.processes.hub.url}; Enter ends it")
                    input()
            finally:
                supervisor.end()
                supervisor.processes.stop()
    except DeployError as error:
        progress.check(False, str(error))
    except KeyboardInterrupt:
        return 130
    verdict = "every check was good" if not progress.failures else f"{progress.failures} checks were BAD"
    progress.say(f"{verdict}; {time.monotonic() - began_s:.0f} s; pictures are in {options.pictures}")
    return 1 if progress.failures else 0


@contextlib.contextmanager
def _said(progress: Progress) -> Iterator[None]:
    """What ends a step early is its failure, and the next step's chance."""
    try:
        yield
    except (DeployError, OSError, KeyError, IndexError, ValueError, AssertionError) as error:
        progress.check(False, f"{type(error).__name__}: {error}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make walkthrough ARGS=…", description=__doc__)
    parser.add_argument("--pictures", type=Path, default=CHECKOUT / "build/walkthrough", help="where pictures go")
    parser.add_argument("--without-galaxy", action="store_true", help="quicker; step 8 fails then")
    parser.add_argument("--stay", action="store_true", help="until Enter is pressed")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
