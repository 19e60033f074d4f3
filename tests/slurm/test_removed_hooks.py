"""slurm.conf names a Prolog that is not there any more: what a real slurmd does then, and what the packages leave
there so that it does not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from deploy.errors import MachineLacks
from deploy.sandbox import Sandbox
from deploy.slurm import SmallSlurm

from testkit.checkout import ROOT
from testkit.waiting import until

pytestmark = pytest.mark.slurm

HOOKS = "/run/hooks"
LIBEXEC = "/run/libexec/slurmlens"
NAMES = ("slurmlens-hook", "slurmlens-hook.sh", "slurmlens-prolog", "slurmlens-epilog")

GONE = {
    "a pattern that nothing fits": "true",
    "a link that leads nowhere": f"ln -s {LIBEXEC}/gone {HOOKS}/prolog.d/50-slurmlens",
    "a file that cannot be executed": f"echo '#!/bin/sh' > {HOOKS}/prolog.d/50-slurmlens",
}


@contextmanager
def one_node() -> Iterator[SmallSlurm]:
    """A node whose hooks are a pattern and a file, as many sites have them."""
    with ExitStack() as stack:
        try:
            sandbox = stack.enter_context(Sandbox())
            small = SmallSlurm(
                sandbox, nodes=1, prolog=Path(f"{HOOKS}/prolog.d/*"), epilog=Path(f"{HOOKS}/slurmlens-epilog")
            )
        except MachineLacks as error:
            pytest.skip(str(error))
        stack.callback(small.stop)
        _lay_out(small, "true")
        small.start()
        yield small


@pytest.fixture
def untouched() -> Iterator[SmallSlurm]:
    """One on which no hook ever failed: slurmd tells of a failure again, 15 s later."""
    with one_node() as small:
        yield small


def _lay_out(slurm: SmallSlurm, prolog: str, epilog: str = f"cp /bin/true {HOOKS}/slurmlens-epilog") -> None:
    script = f"rm -rf {HOOKS}; mkdir -p {HOOKS}/prolog.d; {prolog}; {epilog}"
    slurm.sandbox.run(["sh", "-ec", script])


def _node(slurm: SmallSlurm) -> str:
    return slurm.slurm("sinfo", "--noheader", "--Node", "--format=%T %E").strip()


def _told(slurm: SmallSlurm) -> str:
    """The slurmd's log."""
    (slurmd,) = slurm.slurmds.values()
    return slurmd.log.read_text() if slurmd.log is not None else ""


@pytest.mark.slow
@pytest.mark.parametrize("gone", GONE)
async def test_a_prolog_that_is_gone_drains_the_node(gone: str, untouched: SmallSlurm) -> None:
    _lay_out(untouched, GONE[gone])
    job = untouched.submit("true", "--no-requeue")
    await until(lambda: f"[job {job}] prolog failed" in _told(untouched), "slurmd says so", patience_s=60.0)
    await until(lambda: "Prolog error" in _node(untouched), "the node is drained", patience_s=60.0)
    assert _node(untouched).startswith("drain")


@pytest.mark.slow
async def test_an_epilog_that_is_gone_drains_the_node_after_the_job(untouched: SmallSlurm) -> None:
    _lay_out(untouched, f"cp /bin/true {HOOKS}/prolog.d/10-site", epilog="true")
    job = untouched.submit("true")
    await until(lambda: "Epilog error" in _node(untouched), "the node is drained", patience_s=60.0)
    assert untouched.wait(job).state == "COMPLETED"


def _scriptlet(name: str) -> str:
    text = (ROOT / "packaging/scriptlets" / name).read_text()
    return text.replace("/usr/libexec/slurmlens", LIBEXEC).replace("/usr/lib/slurmlens/hooks", "/run/lib")


def test_what_the_package_leaves_when_it_is_removed_drains_no_node_and_fails_no_job(untouched: SmallSlurm) -> None:
    run = untouched.sandbox.run
    run(["mkdir", "-p", "/run/lib"])
    for name in NAMES:
        run(["cp", "/bin/true", f"/run/lib/{name}"])
    run(["sh", "-c", _scriptlet("hooks.postinst"), "postinst", "configure"])
    link = f"ln -s {LIBEXEC}/slurmlens-prolog {HOOKS}/prolog.d/50-slurmlens"
    line = f"printf '#!/bin/sh\\nset -e\\n{LIBEXEC}/slurmlens-hook.sh\\n' > {HOOKS}/prolog.d/10-site"
    _lay_out(
        untouched,
        f"{link}; {line}; chmod 0755 {HOOKS}/prolog.d/10-site",
        epilog=f"ln -s {LIBEXEC}/slurmlens-epilog {HOOKS}/slurmlens-epilog",
    )
    assert untouched.wait(untouched.submit("true")).state == "COMPLETED"
    assert _node(untouched).startswith("idle"), _told(untouched)
    run(["sh", "-c", _scriptlet("hooks.prerm"), "prerm", "remove"])
    run(["rm", "-r", "/run/lib"])
    assert untouched.wait(untouched.submit("true")).state == "COMPLETED"
    assert _node(untouched).startswith("idle"), _told(untouched)
