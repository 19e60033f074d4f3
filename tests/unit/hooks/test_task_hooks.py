"""The program of TaskProlog, TaskEpilog, SrunProlog and SrunEpilog: what it says, and that it harms nobody."""

from __future__ import annotations

import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from slurmlens.wire.app_message import StepWord, ToldStep, decode
from testkit.app_listener import Listener
from testkit.hook_program import SOURCES, sample

JOB = {"SLURM_JOB_ID": "7", "SLURM_PROCID": "0", "SLURM_LOCALID": "0", "SLURM_STEP_ID": "3"}
ROLES = ("prolog_task", "epilog_task", "prolog_srun", "epilog_srun")


@pytest.fixture(scope="module")
def program() -> Iterator[Path]:
    """Compiled for a folder of its own, under ASan and UBSan."""
    with tempfile.TemporaryDirectory(prefix="slt-") as folder:
        where = [f"BUILD={folder}", f"RUN_BASE={folder}/run", "SANITIZE=1"]
        subprocess.run(["make", "-s", "-C", SOURCES, *where, f"{folder}/slurmlens-task"], check=True)
        (Path(folder) / "run").mkdir()
        yield Path(folder) / "slurmlens-task"


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[Listener]:
    path = Path(tempfile.mkdtemp(prefix="slt-")) / "app.sock"
    one = Listener(path)
    one.path = path  # type: ignore[attr-defined]
    yield one
    one.close(path)
    path.unlink()
    path.parent.rmdir()


def run(program: Path, environment: dict[str, str], *arguments: str, called_as: str = "x") -> None:
    """As Slurm runs it: whatever there is, it ends well and prints nothing."""
    done = subprocess.run(
        [called_as, *arguments], executable=program, env=environment, capture_output=True, timeout=30, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def told(listener: Listener) -> list[ToldStep]:
    said = [decode(line.encode()).told for line in listener.heard]
    assert all(isinstance(one, ToldStep) for one in said)
    return said  # type: ignore[return-value]


def environment(listener: Listener, context: str, **more: str) -> dict[str, str]:
    return {**JOB, "SLURMLENS_SOCKET": str(listener.path), "SLURM_SCRIPT_CONTEXT": context, **more}  # type: ignore[attr-defined]


def test_the_first_task_of_a_node_tells_the_step_with_what_the_user_asks(program: Path, listener: Listener) -> None:
    asked = {"SLURMLENS_INTERVAL": "2", "SLURMLENS_NOTIFY": "failed,a@b.org", "SLURMLENS_TAG": "warm up"}
    run(program, environment(listener, "prolog_task", **asked))
    run(program, environment(listener, "prolog_task", **asked, SLURM_PROCID="4"))  # the first of another node
    run(program, environment(listener, "prolog_task", **asked, SLURM_PROCID="1", SLURM_LOCALID="1"))
    first, second = told(listener)
    assert first == ToldStep(StepWord.BEGIN, interval="2", notify="failed,a@b.org", tag="warm up")
    assert second == ToldStep(StepWord.BEGIN, interval="2", tag="warm up")


def test_the_other_hooks_say_that_a_task_ended_what_srun_runs_and_that_it_is_over(
    program: Path, listener: Listener
) -> None:
    run(program, environment(listener, "epilog_task"))
    run(program, environment(listener, "prolog_srun"), "/opt/app/bin/gemm", "--secret=1")
    run(program, environment(listener, "epilog_srun"), "/opt/app/bin/gemm")
    assert told(listener) == [
        ToldStep(StepWord.END),
        ToldStep(StepWord.RUN, step="3", command="gemm"),
        ToldStep(StepWord.OVER, step="3"),
    ]


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("off", ["variable", "flag", "no job", "nobody listens"])
def test_it_says_nothing_where_it_is_not_wanted(program: Path, listener: Listener, role: str, off: str) -> None:
    variables = environment(listener, role)
    flag = program.parent / "run/off"
    if off == "variable":
        variables["SLURMLENS_OFF"] = "1"
    elif off == "flag":
        flag.touch()
    elif off == "no job":
        del variables["SLURM_JOB_ID"]
    else:
        variables["SLURMLENS_SOCKET"] = "/nowhere/app.sock"
    run(program, variables, "true")
    flag.unlink(missing_ok=True)
    assert listener.heard == []


def test_a_tag_in_any_script_is_told_and_what_is_no_text_ends_it(program: Path, listener: Listener) -> None:
    for tag in ("für 日本 \U0001f600", "half\udcff rest"):
        run(program, environment(listener, "prolog_task", SLURMLENS_TAG=tag))
    assert [one.tag for one in told(listener)] == ["für 日本 \U0001f600", "half"]


def test_modules_are_told_by_whole_names_and_a_container_by_its_last_part(program: Path, listener: Listener) -> None:
    long = ":".join(f"library/{number}" for number in range(40))
    for modules in ("gcc/12.2:openmpi/4.1", long, "x" * 101, "", "a b"):
        run(program, environment(listener, "prolog_task", LOADEDMODULES=modules, SLURM_CONTAINER="/images/lmp.sif"))
    assert [one.modules for one in told(listener)] == [
        "gcc/12.2:openmpi/4.1",
        ":".join(f"library/{number}" for number in range(10)),
        None,
        None,
        None,
    ]
    assert {one.container for one in told(listener)} == {"lmp.sif"}


def test_all_that_can_be_asked_for_at_most_fits_one_message(program: Path, listener: Listener) -> None:
    most = dict.fromkeys(("SLURMLENS_INTERVAL", "SLURMLENS_NOTIFY", "SLURMLENS_TAG"), "9" * 255)
    most |= {"LOADEDMODULES": "m" * 100, "SLURM_CONTAINER": "c" * 255, "SLURM_JOB_ID": "4294967295"}
    run(program, environment(listener, "prolog_task", **most))
    (one,) = told(listener)
    assert (one.tag, one.modules, one.container) == ("9" * 255, "m" * 100, "c" * 48)


TEXTS = ("", "x" * 5000, "ü" * 5000, "a b", "\x01", "a\udcff", "\udced\udca0\udc80", "\U0001f600" * 90, "%s%n")


@pytest.mark.parametrize("value", TEXTS)
def test_no_value_of_a_variable_harms_it(program: Path, listener: Listener, value: str) -> None:
    names = (
        "SLURMLENS_INTERVAL",
        "SLURMLENS_NOTIFY",
        "SLURMLENS_TAG",
        "SLURM_STEP_ID",
        "SLURM_PROCID",
        "SLURMD_NODENAME",
    )
    for role in ROLES:
        run(program, environment(listener, role, **dict.fromkeys(names, value)), value or "true")
    for line in listener.heard:
        if " step run " not in line and " step over " not in line:  # what is no number there the daemon refuses
            decode(line.encode())


def test_a_daemon_that_does_not_answer_costs_a_fraction_of_a_second_and_no_status(
    program: Path, listener: Listener
) -> None:
    listener.answer = None
    run(program, environment(listener, "prolog_task"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGSEGV, signal.SIGALRM, signal.SIGXFSZ])
def test_a_signal_that_kills_others_leaves_its_status_at_0(program: Path, listener: Listener, number: int) -> None:
    listener.answer = None
    started = subprocess.Popen([program], env=environment(listener, "prolog_task"))
    while not listener.heard and started.poll() is None:
        pass
    started.send_signal(number)
    assert started.wait(30) == 0


@pytest.mark.parametrize("name", ["22.05/taskprolog.step_0.task_0", "26.05/srunprolog"])
def test_recorded_hooks_of_both_releases_are_told(program: Path, listener: Listener, name: str) -> None:
    run(program, {**sample(name), "SLURMLENS_SOCKET": str(listener.path)}, "/bin/hostname")  # type: ignore[attr-defined]
    (said,) = told(listener)
    assert said.word is (StepWord.BEGIN if "task" in name else StepWord.RUN)
