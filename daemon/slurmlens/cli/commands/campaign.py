"""`slurmlens campaign …`: optimisation campaigns, run, checked, looked at, reported, resumed, stopped.

Owns the words and exit statuses; everything else is `campaign`'s. A user's own process: no root, no hub. Called by
`cli.main`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from slurmlens.cli.ask.report import segment
from slurmlens.errors import CampaignError, ConfigError, DecodeError, HubError, SourceError
from slurmlens.shown.text import visible

if TYPE_CHECKING:
    from slurmlens.campaign.fold import Attempt, State
    from slurmlens.campaign.hub_copy import HubCopy
    from slurmlens.campaign.record import Event
    from slurmlens.campaign.scheduler import CampaignScheduler
    from slurmlens.campaign.settings import Campaign
    from slurmlens.campaign.watch import Figures

SUMMARY = "find the best parameters of a job: run, validate, status, report, resume, stop"

EXIT_DONE = 0
EXIT_WRONG = 2
EXIT_CANNOT = 3
EXIT_PAUSED = 4
EXIT_INTERRUPTED = 130

EPILOG = """example:
  slurmlens campaign validate case.toml
  slurmlens campaign run --dry-run case.toml    what the first jobs would be; submits nothing
  slurmlens campaign run case.toml              until the end; Ctrl-C leaves the jobs, the same command goes on
  slurmlens campaign status --json case.toml
  slurmlens campaign report case.toml           page, CSV and JSON into case's state folder
  slurmlens campaign stop case.toml             asks for no more points and cancels what runs

exit status: 0 done, 2 the file or the arguments are wrong, 3 it cannot go on, 4 paused, 130 interrupted"""

_FIGURES = {
    "core_seconds": ("cpu", "used"),
    "memory_peak_bytes": ("memory", "used"),
    "run_seconds": ("times", "ran", "used"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.epilog = EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True, dest="verb")
    for name, text in (
        ("run", "run the campaign until its end, or go on with it"),
        ("validate", "check the file; with slurmctld at hand also the job"),
        ("status", "what happened so far"),
        ("report", "write page, CSV and JSON"),
        ("resume", "go on after a pause, a stop or an end"),
        ("stop", "ask for no more points, end what runs"),
    ):
        verb = verbs.add_parser(name, help=text, description=text)
        verb.add_argument("file", type=Path, metavar="FILE", help="the campaign's TOML file")
        verb.add_argument("--state", type=Path, metavar="DIR", help="where the journal is (default: beside FILE)")
        verb.add_argument("--hub", metavar="URL", help="the hub: told how it goes, asked for figures, linked to")
        if name in ("run", "resume"):
            verb.add_argument("--dry-run", action="store_true", help="show the first jobs, submit nothing")
        if name in ("run", "status", "resume"):
            verb.add_argument("--json", action="store_true", help="JSON; while it runs one event a line")
            verb.add_argument("--wide", action="store_true", help="the whole width of the terminal, all points")
        if name == "report":
            verb.add_argument(
                "--output", type=Path, metavar="DIR", help="where to (default: report/ in the state folder)"
            )


def run(arguments: argparse.Namespace) -> int:
    """Do what the verb says."""
    from slurmlens.campaign.file import read_campaign

    verbs = {"validate": _validate, "status": _status, "report": _report, "stop": _stop}
    try:
        campaign = read_campaign(arguments.file)
        return verbs.get(arguments.verb, _work)(arguments, campaign)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return EXIT_WRONG
    except (CampaignError, DecodeError, HubError, SourceError) as error:
        print(f"slurmlens campaign: {visible(str(error))}", file=sys.stderr)
        return EXIT_CANNOT
    except OSError as error:
        print(f"slurmlens campaign: {error.filename}: {error.strerror}", file=sys.stderr)
        return EXIT_CANNOT


def _validate(arguments: argparse.Namespace, campaign: Campaign) -> int:
    """The optimiser can be had, the first job can be written, and slurmctld would take it."""
    said = _first_jobs(arguments, campaign, count=1)
    print(f"{arguments.file}: fine; {said[-1].splitlines()[-1]}")
    for line in said[1:-1]:
        print(line)
    return EXIT_DONE


def _first_jobs(arguments: argparse.Namespace, campaign: Campaign, *, count: int) -> list[str]:
    """The first points with their sbatch lines, and what slurmctld says of the first; nothing is kept or submitted."""
    import tempfile

    from slurmlens.campaign import record
    from slurmlens.campaign.fold import Attempt
    from slurmlens.campaign.job_script import lay_out, shown
    from slurmlens.campaign.optimisers import make_optimiser
    from slurmlens.campaign.scheduler import CampaignScheduler

    optimiser = make_optimiser(campaign)
    scheduler = CampaignScheduler(campaign, timeout_s=campaign.poll.timeout_s)
    lines: list[str] = []
    answer = ""
    with tempfile.TemporaryDirectory(prefix="slurmlens-campaign-") as folder:
        for number in range(1, count + 1):
            point = optimiser.ask()
            if point is None:
                break
            batch = lay_out(campaign, Path(folder), number, 1, point)
            attempt = Attempt(
                record.Intent(at_s=0, point=number, attempt=1, nodes=campaign.job.nodes, limit_s=campaign.job.time_s)
            )
            values = " ".join(f"{name}={shown(value)}" for name, value in point.items())
            lines.append(f"#{number}  {values}\n    sbatch {' '.join(scheduler.options(attempt, batch, None))}")
            answer = answer or _asked(scheduler, attempt, batch)
    optimiser.close()
    return [*lines, *_idle(scheduler, campaign), answer]


def _idle(scheduler: CampaignScheduler, campaign: Campaign) -> list[str]:
    """What is idle where it would run; nothing where slurmctld does not say."""
    from slurmlens.campaign.idle import idle_words

    try:
        idle = scheduler.idle()
    except SourceError:
        return []
    return [] if idle is None else [idle_words(idle, campaign)]


def _asked(scheduler: CampaignScheduler, attempt: Attempt, batch: Path) -> str:
    try:
        return f"slurmctld would take the job: {scheduler.test(attempt, batch).strip()}"
    except SourceError as error:
        return f"slurmctld was not asked, or would refuse the job: {error}"


def _work(arguments: argparse.Namespace, campaign: Campaign) -> int:
    """Run, or resume."""
    from slurmlens.campaign.session import CampaignSession, Places

    if arguments.dry_run:
        print("\n".join(_first_jobs(arguments, campaign, count=min(5, campaign.limits.at_once))))
        return EXIT_DONE
    places = Places(campaign, arguments.state)
    session = CampaignSession(campaign, places, _hub_figures(arguments.hub), _teller(arguments))
    copy = _hub_copy(arguments.hub)
    show = _shower(arguments)

    def heard(state: State, trouble: str | None) -> None:
        copy.offer(state, trouble)
        show(state, trouble)

    try:
        session.open()
        if arguments.verb == "resume":
            session.resume()
        session.work(heard)
    except KeyboardInterrupt:
        print(f"\nleft; its jobs go on. Come back: slurmlens campaign run {arguments.file}", file=sys.stderr)
        return EXIT_INTERRUPTED
    finally:
        session.close()
        if (problem := copy.close()) is not None:
            print(f"the hub was not told the last of it: {visible(problem)}", file=sys.stderr)
    if session.state.paused is not None:
        print(f"paused: {session.state.paused}. Then: slurmlens campaign resume {arguments.file}", file=sys.stderr)
        return EXIT_PAUSED
    return EXIT_DONE


def _hub_copy(hub: str | None) -> HubCopy:
    """Where the hub is told how the campaign goes: --hub or $SLURMLENS_HUB, else nowhere."""
    import os
    import pwd

    from slurmlens.campaign.hub_copy import HubCopy
    from slurmlens.cli.ask import hub as hub_client

    named = hub or os.environ.get(hub_client.VARIABLE)
    if named is None:
        return HubCopy(None)
    address, user = hub_client.hub_address(named), pwd.getpwuid(os.geteuid()).pw_name

    def send(name: str, body: bytes) -> None:
        digest = hashlib.sha256(body).hexdigest()
        path = f"/api/v1/campaigns/{segment(user)}/{segment(name)}/telling?sha256={digest}"
        hub_client.fetch(address, path, method="POST", body=body)

    return HubCopy(send)


def _teller(arguments: argparse.Namespace) -> Callable[[Event], None]:
    """With --json every event as it is committed."""
    from slurmlens.campaign import record

    def tell(event: Event) -> None:
        print(record.encode(event).decode(), flush=True)

    return tell if arguments.json else lambda event: None


def _shower(arguments: argparse.Namespace) -> Callable[[State, str | None], None]:
    """On a terminal the status is drawn over itself; in a pipe a line whenever a count changes."""
    from slurmlens.campaign.view import campaign_view
    from slurmlens.cli.show.screen import sheet_for, show
    from slurmlens.shown.campaign.terminal import render_campaign

    sheet = sheet_for(wide=arguments.wide)
    last: list[object] = [None]

    def heard(state: State, trouble: str | None) -> None:
        now = (len(state.points), len(state.live), dict(state.counts), state.paused, trouble, state.used_s)
        if now == last[0] or arguments.json:
            return
        last[0] = now
        text = render_campaign(campaign_view(state, trouble=trouble), sheet)
        if sys.stdout.isatty():
            show("\x1b[H\x1b[J" + text)
        elif state.closed is not None or state.paused is not None:
            show(text)
        else:
            show("  ".join(text.splitlines()[1:3]).strip() + (f"  waits: {trouble}" if trouble else "") + "\n")

    return heard


def _status(arguments: argparse.Namespace, campaign: Campaign) -> int:
    import msgspec

    from slurmlens.campaign.scheduler import CampaignScheduler
    from slurmlens.campaign.session import Places, read_state
    from slurmlens.campaign.view import campaign_view
    from slurmlens.cli.show.screen import sheet_for, show
    from slurmlens.shown.campaign.terminal import render_campaign

    view = campaign_view(read_state(campaign, Places(campaign, arguments.state)))
    if arguments.json:
        show(msgspec.json.format(msgspec.json.encode(view), indent=1).decode() + "\n")
    else:
        show(render_campaign(view, sheet_for(wide=arguments.wide)))
        if view.state != "ended":
            for line in _idle(CampaignScheduler(campaign, timeout_s=campaign.poll.timeout_s), campaign):
                print(f"  {line}")
    return EXIT_DONE


def _report(arguments: argparse.Namespace, campaign: Campaign) -> int:
    import msgspec

    from slurmlens.campaign.report.page import render_page
    from slurmlens.campaign.session import Places, read_state
    from slurmlens.campaign.view import campaign_view
    from slurmlens.shown.campaign.table import campaign_csv

    places = Places(campaign, arguments.state)
    view = campaign_view(read_state(campaign, places))
    folder = arguments.output or places.state / "report"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "index.html").write_text(render_page(view, arguments.hub and arguments.hub.rstrip("/")))
    (folder / "points.csv").write_text(campaign_csv(view), newline="")
    (folder / "campaign.json").write_bytes(msgspec.json.format(msgspec.json.encode(view), indent=1))
    print(folder / "index.html")
    return EXIT_DONE


def _stop(arguments: argparse.Namespace, campaign: Campaign) -> int:
    """Ask the controller that runs; where none does, be it until all is over."""
    from slurmlens.campaign.journal import Lock
    from slurmlens.campaign.session import CampaignSession, Places, read_state

    places = Places(campaign, arguments.state)
    read_state(campaign, places)
    lock = Lock(places.lock)
    holder = lock.take()
    if holder is not None:
        places.stop_request.touch()
        print(f"asked {holder} to stop")
        return EXIT_DONE
    lock.free()
    session = CampaignSession(campaign, places, _hub_figures(arguments.hub), lambda event: None)
    try:
        session.stop("someone asked for it")
        session.work(lambda state, trouble: print(f"waits: {trouble}") if trouble else None)
    finally:
        session.close()
    print("stopped; nothing of the campaign is left in the queue")
    return EXIT_DONE


def _hub_figures(hub: str | None) -> Figures:
    """Figures of the hub's by `slurmlens job --json`, so that a campaign sees what everyone sees."""
    from slurmlens.campaign.results import Missing

    def figure(job_id: int, name: str) -> float:
        command = [sys.executable, "-m", "slurmlens.cli.main", "job", str(job_id), "--json"]
        try:
            done = subprocess.run(
                [*command, *(["--hub", hub] if hub else [])], capture_output=True, timeout=60, check=True
            )
            value = json.loads(done.stdout)
            for key in _FIGURES[name]:
                value = value[key]
        except (subprocess.SubprocessError, OSError, ValueError, KeyError, TypeError) as error:
            raise Missing(f"{name}: the hub does not have it yet ({type(error).__name__})", late=True) from error
        if value is None:
            raise Missing(f"{name}: the hub does not know it yet", late=True)
        return float(value)

    return figure
