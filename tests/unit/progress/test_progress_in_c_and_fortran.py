"""The C header and the Fortran module say what the Python client says, and never trouble their program."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from testkit.app_listener import Listener
from testkit.checkout import ROOT

CLIENT = ROOT / "cext/client"
PATIENT = "-DSLURMLENS_HALF_PATIENCE_US=20000000"  # this machine may be busy
STRICT = ["-Wall", "-Wextra", "-Werror", "-O2", f"-I{CLIENT}", PATIENT]
SANITIZED = ["-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]

C_PROGRAM = r"""
#include "slurmlens_progress.h"
int main(void)
{
	const struct slurmlens_value values[] = {{"residual", 1e-5}, {"loss", 0.0 / 0.0}};
	char text[800];
	errno = 7;
	printf("%d ", slurmlens_progress_with(412, 1000, values, 2));
	printf("%d ", slurmlens_progress(413, 1000));
	memset(text, 'x', sizeof text);
	memcpy(text + 299, "\xc3\xa9", 2);
	text[sizeof text - 1] = '\0';
	printf("%d ", slurmlens_event(text));
	usleep(60000);
	printf("%d ", slurmlens_progress(1000, 1000));
	printf("%d\n", errno);
	return 0;
}
"""

FORTRAN_PROGRAM = """
program model
  use slurmlens_progress, only: progress, event
  implicit none
  call progress(412, 1000, name='residual', value=1d-5)
  call event('checkpoint   ')
  call progress(1d0, 2d0)
end program model
"""


def compiler(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"no {name} on this machine")
    return found


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    inside = {"SLURM_JOB_ID": "7", "SLURM_PROCID": "3", "SLURMLENS_SOCKET": str(tmp_path / "app.sock")}
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM", "LD_PRELOAD"))}
    return {**kept, **inside}


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[Listener]:
    listener = Listener(tmp_path / "app.sock")
    yield listener
    listener.close(tmp_path / "app.sock")


@pytest.fixture(params=["gcc -std=c99", "g++ -std=c++11 -x c++"])
def program(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    name, *options = request.param.split()
    source = tmp_path / "main.c"
    source.write_text(C_PROGRAM)
    argv = [compiler(name), *options, *STRICT, *SANITIZED, "-o", str(tmp_path / "main"), str(source)]
    subprocess.run(argv, check=True)
    return tmp_path / "main"


def said_by(program: Path, environment: dict[str, str]) -> list[str]:
    done = subprocess.run([program], env=environment, capture_output=True, text=True, check=True, timeout=60)
    assert done.stderr == ""
    return done.stdout.split()


def test_a_c_program_tells_it_by_one_call(program: Path, environment: dict[str, str], listener: Listener) -> None:
    assert said_by(program, environment) == ["0", "1", "0", "0", "7"]
    assert listener.heard == [
        "1 job=7 rank=3 progress 412 1000 residual=1e-05",
        f"1 job=7 rank=3 event {'x' * 299}",
        "1 job=7 rank=3 progress 1000 1000",
    ]


@pytest.mark.parametrize("change", [{"SLURMLENS_OFF": "1"}, {"SLURMLENS_PROGRESS": "off"}, {"SLURM_JOB_ID": None}])
def test_a_c_program_is_silent_where_its_user_wants_it_or_no_job_runs(
    program: Path, environment: dict[str, str], listener: Listener, change: dict[str, str | None]
) -> None:
    changed = {name: value for name, value in {**environment, **change}.items() if value is not None}
    assert said_by(program, changed) == ["3", "1", "3", "1", "7"]
    assert listener.heard == []


def test_a_c_program_goes_on_without_a_daemon(program: Path, environment: dict[str, str]) -> None:
    assert said_by(program, environment) == ["3", "1", "3", "1", "7"]


def test_a_c_program_that_has_no_turn_takes_the_daemon_for_busy_and_not_for_absent(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    source = tmp_path / "main.c"
    source.write_text(C_PROGRAM)
    busy = [one for one in STRICT if one != PATIENT]
    subprocess.run([compiler("gcc"), "-std=c99", *busy, "-o", str(tmp_path / "main"), str(source)], check=True)
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listening,
        socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as first,
    ):
        listening.bind(environment["SLURMLENS_SOCKET"])
        listening.listen(0)
        first.connect(environment["SLURMLENS_SOCKET"])  # the queue is full now
        assert said_by(tmp_path / "main", environment) == ["4", "1", "4", "1", "7"]


def test_a_fortran_program_tells_it_by_one_call(
    tmp_path: Path, environment: dict[str, str], listener: Listener
) -> None:
    fortran, gcc = compiler("gfortran"), compiler("gcc")
    (tmp_path / "model.f90").write_text(FORTRAN_PROGRAM)
    subprocess.run([gcc, *STRICT, "-c", str(CLIENT / "slurmlens_progress_c.c")], cwd=tmp_path, check=True)
    sources = [str(CLIENT / "slurmlens_progress.f90"), "slurmlens_progress_c.o", "model.f90"]
    options = ["-std=f2008", "-Wall", "-Wextra", "-Werror", "-o", "model"]
    subprocess.run([fortran, *options, *sources], cwd=tmp_path, check=True)
    assert said_by(tmp_path / "model", environment) == []
    assert listener.heard == [
        "1 job=7 rank=3 progress 412 1000 residual=1e-05",
        "1 job=7 rank=3 event checkpoint",
    ]
