"""`slurmlens status`: what it shows of a daemon, what it calls trouble, and what it says when nobody answers."""

from __future__ import annotations

import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from slurmlens.cli.main import main as slurmlens
from slurmlens.clock import NS_PER_S
from slurmlens.delivery.status import ConsulStatus, FoundStatus, SinkStatus, SpoolStatus
from slurmlens.delivery.status_socket import Refusal
from slurmlens.events import DroppedLines
from slurmlens.node.status import JobStatus, NodeStatus
from slurmlens.relay.status import RelayStatus
from testkit.node_states import IDLE, NOW_NS, SAMPLER

HUB = SinkStatus(
    name="hub",
    backlog_batches=0,
    backlog_lines=0,
    backlog_bytes=0,
    lag_s=None,
    delivered_ago_s=3.0,
    failures_in_a_row=0,
    last_error=None,
)
SPOOL = SpoolStatus(
    path="/s",
    mode="lasting",
    failure=None,
    size_bytes=3 << 20,
    max_bytes=256 << 20,
    stored_bytes=2 << 20,
    memory_bytes=1 << 20,
    dropped=(),
)
WELL = msgspec.structs.replace(
    IDLE,
    jobs=(
        JobStatus(job_id=4711, sighting="s", phase="open", slot=0, cgroups=1, since_ns=NOW_NS - 61 * NS_PER_S),
        JobStatus(job_id=4712, sighting="t", phase="open", slot=None, cgroups=1, since_ns=NOW_NS - 2 * NS_PER_S),
    ),
    sinks=(HUB,),
    stages={"dropbox": "running"},
    counters={"job_began_total": 2.0},
)

CONSUL = ConsulStatus(
    url="http://127.0.0.1:8500",
    registered=True,
    health="passing",
    heard_ago_s=5.0,
    last_error=None,
    found=(
        FoundStatus(sink="carbon", addresses=("10.0.0.1:2003", "10.0.0.2:2003"), is_fresh=True),
        FoundStatus(sink="hub", addresses=("hub:6830",), is_fresh=False),
    ),
    settings={"slurmlens/demo/node/sampling/interval_s": "5"},
    refused=(),
)

RELAY = RelayStatus(
    version="0.1.0",
    cluster="demo",
    name="r0",
    time_ns=NOW_NS,
    uptime_s=7300.0,
    cpu_s=1.5,
    resident_bytes=30 << 20,
    events_port=6831,
    metrics_port=2003,
    takes_events=True,
    takes_metrics=True,
    spool=SPOOL,
    sinks=(HUB,),
    stages={"hub": "running"},
    counters={},
    consul=CONSUL,
)

changed = msgspec.structs.replace


@contextmanager
def daemon(answer: bytes) -> Iterator[tuple[Path, list[bytes]]]:
    """Something that listens, keeps what it was sent, answers once, and hangs up."""
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listener:
        path = Path(folder) / "s"
        listener.bind(str(path))
        listener.listen()
        heard: list[bytes] = []

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                heard.append(connection.makefile("rb").readline())
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield path, heard
        thread.join()


def asked(status: object, *arguments: str) -> int:
    answer = status if isinstance(status, bytes) else msgspec.json.encode(status) + b"\n"
    with daemon(answer) as (path, _):
        return slurmlens(["status", "--socket", str(path), *arguments])


def test_a_daemon_that_is_well_in_the_terminal(
    capsys: pytest.CaptureFixture[str], golden: Callable[[str, str], None]
) -> None:
    assert asked(WELL) == 0
    golden("cli/status-well.txt", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        (changed(WELL, dropbox_open=False), "no hook event arrives"),
        (changed(WELL, dropbox_full=True), "the dropbox is full"),
        (
            changed(
                WELL, counters={'hook_events_lost_total{role="prolog"}': 2, 'hook_events_lost_total{role="epilog"}': 1}
            ),
            "3 hook events were lost",
        ),
        (changed(WELL, sinks=(changed(HUB, failures_in_a_row=3, last_error="refused"),)), "hub takes nothing: refused"),
        (changed(WELL, sinks=(changed(HUB, backlog_lines=9, lag_s=600.0),)), "hub lags 10 min behind"),
        (changed(WELL, stages={"cgroups": "failed: OSError: x"}), "stage cgroups failed"),
        (changed(WELL, sampler=changed(SAMPLER, thinning=4)), "one tick in 4"),
        (changed(WELL, spool=changed(SPOOL, mode="failing", failure="full")), "the spool at /s fails (full)"),
        (changed(WELL, spool=changed(SPOOL, mode="memory")), "the spool at /s is no local disk"),
        (changed(WELL, spool=changed(SPOOL, size_bytes=250 << 20)), "the spool is nearly full"),
        (changed(WELL, consul=changed(CONSUL, last_error="ACL not found")), "Consul: ACL not found"),
        (changed(WELL, consul=changed(CONSUL, refused=("a/b: too small",))), "Consul's KV: a/b: too small"),
    ],
)
def test_what_needs_a_look_is_said_first_and_by_the_exit_status(
    capsys: pytest.CaptureFixture[str], trouble: NodeStatus, words: str
) -> None:
    assert asked(trouble) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].startswith("  ! ")
    assert words in lines[2]


def test_quiet_is_silent_while_all_is_well_and_says_what_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    assert asked(WELL, "--quiet") == 0
    assert capsys.readouterr().out == ""
    assert asked(changed(WELL, dropbox_open=False), "-q") == 1
    assert capsys.readouterr().out == "  ! the dropbox folder is not there: no hook event arrives\n"


def test_how_the_spool_fares_is_shown_with_what_was_lost(capsys: pytest.CaptureFixture[str]) -> None:
    lost = (DroppedLines(stream="metrics", reason="age", lines=12, since_ns=NOW_NS),)
    assert asked(changed(WELL, spool=changed(SPOOL, mode="volatile", dropped=lost))) == 0
    said = capsys.readouterr().out
    assert "  spool    volatile, 3.0 of 256 MiB held; lines dropped so far: 12 of metrics (age)\n" in said


def test_what_consul_says_is_shown_with_its_freshness(capsys: pytest.CaptureFixture[str]) -> None:
    assert asked(changed(WELL, consul=CONSUL)) == 0
    said = capsys.readouterr().out
    assert "Consul at http://127.0.0.1:8500: registered as passing; last heard 5.0 s ago" in said
    assert "carbon is at 10.0.0.1:2003, 10.0.0.2:2003\n" in said
    assert "hub is at hub:6830 (not Consul's word of now)" in said
    assert "slurmlens/demo/node/sampling/interval_s = 5" in said


def test_a_node_without_slurms_cgroups_is_no_trouble_but_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert asked(changed(WELL, cgroup_tree_found=False, sinks=())) == 0
    said = capsys.readouterr().out
    assert "nothing is measured" in said
    assert "no receivers" in said


def test_a_receivers_words_do_not_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    asked(changed(WELL, sinks=(changed(HUB, failures_in_a_row=1, last_error="\x1b[2J\n"),)))
    assert "\x1b" not in capsys.readouterr().out


def test_a_relay_that_is_well_in_the_terminal(
    capsys: pytest.CaptureFixture[str], golden: Callable[[str, str], None]
) -> None:
    assert asked(RELAY, "--relay") == 0
    golden("cli/status-relay.txt", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        (changed(RELAY, takes_events=False), "no room"),
        (changed(RELAY, consul=changed(CONSUL, last_error="ACL not found")), "Consul: ACL not found"),
        (changed(RELAY, stages={"hub": "failed: OSError: x"}), "stage hub failed"),
    ],
)
def test_what_needs_a_look_at_a_relay_is_said_as_at_a_node(
    capsys: pytest.CaptureFixture[str], trouble: RelayStatus, words: str
) -> None:
    assert asked(trouble, "--relay", "--quiet") == 1
    assert words in capsys.readouterr().out


def test_a_relay_cannot_be_told_to_look_closely_at_a_job(capsys: pytest.CaptureFixture[str]) -> None:
    assert slurmlens(["status", "--relay", "--closely", "9"]) == 2
    assert "a relay reads no jobs" in capsys.readouterr().err


def test_json_is_all_that_the_daemon_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert asked(WELL, "--json") == 0
    assert msgspec.json.decode(capsys.readouterr().out, type=NodeStatus) == WELL


def test_an_order_to_look_closely_is_sent_and_a_refusal_told(capsys: pytest.CaptureFixture[str]) -> None:
    refusal = Refusal(error="job 9 is not sampled on this node")
    with daemon(msgspec.json.encode(refusal)) as (path, heard):
        assert slurmlens(["status", "--socket", str(path), "--closely", "9", "--for", "30"]) == 1
    assert heard == [b'{"job_id":9,"seconds":30.0}\n']
    assert "job 9 is not sampled" in capsys.readouterr().err


@pytest.mark.parametrize("answer", [b"", b"no json\n", b"{}\n", b"[1]\n", b"\xff\n"])
def test_an_answer_that_no_daemon_gives_is_told(capsys: pytest.CaptureFixture[str], answer: bytes) -> None:
    assert asked(answer) == 3
    assert "Does slurmlens-node run" in capsys.readouterr().err


def test_nobody_there_is_told_with_the_path(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert slurmlens(["status", "--socket", str(tmp_path / "none")]) == 3
    assert str(tmp_path / "none") in capsys.readouterr().err


def test_help_lists_every_command_and_one_that_is_unknown_ends_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, status in ((["--help"], 0), (["nonsense"], 2), ([], 2)):
        with pytest.raises(SystemExit) as ended:
            slurmlens(arguments)
        assert ended.value.code == status
    said = capsys.readouterr()
    assert all(f"    {name} " in said.out for name in ("job", "jobs", "status", "validate"))
