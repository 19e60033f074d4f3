"""Galaxy's API, asked through bioblend: the only file that speaks to it.

Owns a connection and the translation of what it raises: GalaxyAway where no answer came (nothing is known of what
happened), GalaxyRefused where Galaxy said no. Every call has a time limit and goes by a thread of its own, so that a
Galaxy that hangs holds nothing but its own threads. bioblend repeats nothing that changes something. Used by `runner`.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, TypeVar

from slurmlens.config.workflows import WorkflowsConfig
from slurmlens.errors import ConfigError, GalaxyAway, GalaxyRefused

INPUT = "ticket"
PAUSE = "slurmlens_release"
SUMMARY = "summary"
MOST_REPORT_BYTES = 4 * 1024 * 1024
FAILED_JOBS = frozenset({"error", "failed", "deleted", "deleting", "paused", "stop", "stopped"})

_Answer = TypeVar("_Answer")


class Progress(NamedTuple):
    """How far a released invocation is: its report once it is whole, or why there will be none; neither: wait."""

    report: bytes | None = None
    problem: str | None = None


class WorkflowService(Protocol):
    """What `runner` needs of a workflow system."""

    async def prepare(self) -> str: ...

    async def invoke(self, workflow: str, history_name: str, ticket: bytes) -> str: ...

    async def release(self, invocation: str) -> bool: ...

    async def progress(self, invocation: str) -> Progress: ...

    async def cancel_others(self, history_name: str, kept: str) -> int: ...


class GalaxyApi:
    """One Galaxy, one user."""

    def __init__(self, url: str, key: str, workflow_text: str, timeout_s: float) -> None:
        try:
            from bioblend.galaxy import GalaxyInstance
        except ImportError as error:
            raise ConfigError("needs bioblend: pip install 'slurmlens[galaxy]'", key="workflows") from error
        self._galaxy: Any = GalaxyInstance(url, key)
        self._galaxy.timeout = timeout_s
        self._text = paused_workflow(workflow_text)
        digest = hashlib.sha256(self._text.encode()).hexdigest()[:12]
        self._workflow_name = f"slurmlens assess {digest}"

    async def prepare(self) -> str:
        """The id of the workflow with its pause, imported where it is not there yet; by name, which says its text."""
        return await self._call(self._prepare)

    def _prepare(self) -> str:
        found = [one for one in self._galaxy.workflows.get_workflows() if self._workflow_name in one["name"]]
        if found:
            return str(found[0]["id"])
        named = self._text.replace("label: Assess a Slurm job", f"label: {self._workflow_name}", 1)
        made = self._galaxy.workflows.import_workflow_dict({"class": "GalaxyWorkflow", "yaml_content": named})
        self._galaxy.workflows.update_workflow(made["id"], name=self._workflow_name)
        return str(made["id"])

    async def invoke(self, workflow: str, history_name: str, ticket: bytes) -> str:
        """The oldest invocation in the history of that name, which is made, and invoked in, where there is none.

        It stands at its pause: a second one, from a request that came late, runs nothing.
        """
        return await self._call(lambda: self._invoke(workflow, history_name, ticket))

    def _invoke(self, workflow: str, history_name: str, ticket: bytes) -> str:
        galaxy = self._galaxy
        histories = [one["id"] for one in galaxy.histories.get_histories(name=history_name)]
        for history in histories:
            if (known := self._oldest(history)) is not None:
                return known
        history = histories[0] if histories else galaxy.histories.create_history(history_name)["id"]
        item = {"src": "pasted", "paste_content": ticket.decode(), "name": INPUT, "ext": "json"}
        target = {"destination": {"type": "hdas"}, "items": [item]}
        uploaded = galaxy.make_post_request(
            f"{galaxy.url}/tools/fetch", payload={"history_id": history, "targets": [target]}
        )
        inputs = {INPUT: {"src": "hda", "id": uploaded["outputs"][0]["id"]}}
        invoked = galaxy.workflows.invoke_workflow(workflow, inputs=inputs, inputs_by="name", history_id=history)
        return str(invoked["id"])

    def _oldest(self, history: str) -> str | None:
        found = self._galaxy.invocations.get_invocations(history_id=history)
        alive = [one for one in found if one["state"] not in ("cancelled", "cancelling", "failed")]
        return min((str(one["id"]) for one in sorted(alive, key=lambda one: one["create_time"])[:1]), default=None)

    async def release(self, invocation: str) -> bool:
        """Lets an invocation go on; False where it has not come to its pause yet. Again it does no harm."""
        return await self._call(lambda: self._release(invocation))

    def _release(self, invocation: str) -> bool:
        steps = self._galaxy.invocations.show_invocation(invocation)["steps"]
        pause = next((one for one in steps if one.get("workflow_step_label") == PAUSE), None)
        if pause is None or pause["state"] == "new":
            return False
        if pause.get("action") is None:  # it stands there in state "scheduled" until somebody has acted (seen: 26.1)
            self._galaxy.invocations.run_invocation_step_action(invocation, pause["id"], True)
        return True

    async def progress(self, invocation: str) -> Progress:
        """The report's content is what counts: an invocation that is "scheduled" is not done, nor one that is green."""
        return await self._call(lambda: self._progress(invocation))

    def _progress(self, invocation: str) -> Progress:
        shown = self._galaxy.invocations.show_invocation(invocation)
        if shown["state"] in ("failed", "cancelled", "cancelling"):
            return Progress(problem=f"the invocation is {shown['state']}")
        states = self._galaxy.invocations.get_invocation_summary(invocation).get("states", {})
        if bad := sorted(FAILED_JOBS & set(states)):
            return Progress(problem=f"jobs of the workflow are in state {', '.join(bad)}")
        output = shown.get("outputs", {}).get(SUMMARY)
        if output is None:
            return Progress()
        dataset = self._galaxy.datasets.show_dataset(output["id"])
        if dataset["state"] == "error":
            return Progress(problem="the report's dataset is in state error")
        if dataset["state"] != "ok":
            return Progress()
        if int(dataset.get("file_size") or 0) > MOST_REPORT_BYTES:
            return Progress(problem=f"the report has {dataset['file_size']} bytes")
        return Progress(report=self._galaxy.datasets.download_dataset(output["id"], maxwait=self._galaxy.timeout))

    async def cancel_others(self, history_name: str, kept: str) -> int:
        """Cancels invocations of the same attempt that nobody will release; how many there were."""
        return await self._call(lambda: self._cancel_others(history_name, kept))

    def _cancel_others(self, history_name: str, kept: str) -> int:
        count = 0
        for history in self._galaxy.histories.get_histories(name=history_name):
            for one in self._galaxy.invocations.get_invocations(history_id=history["id"]):
                if one["id"] != kept and one["state"] in ("new", "ready", "requires_materialization"):
                    self._galaxy.invocations.cancel_invocation(one["id"])
                    count += 1
        return count

    async def _call(self, ask: Callable[[], _Answer]) -> _Answer:
        import requests
        from bioblend import ConnectionError as GalaxyAnswered

        try:
            return await asyncio.to_thread(ask)
        except GalaxyAnswered as error:
            status = error.status_code
            said = f"Galaxy answered {status}: {' '.join(str(error.body or error).split())[:200]}"
            if status is None or status >= 500 or status == 429:
                raise GalaxyAway(said) from error
            raise GalaxyRefused(said) from error
        except (requests.RequestException, OSError) as error:
            raise GalaxyAway(f"no answer from Galaxy: {type(error).__name__}") from error
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            raise GalaxyAway(f"an answer of Galaxy's cannot be read: {type(error).__name__}: {error}") from error
        except Exception as error:  # bioblend's own, of several kinds: nothing is known of what happened
            raise GalaxyAway(f"{type(error).__name__}: {error}") from error


def open_galaxy(settings: WorkflowsConfig) -> GalaxyApi:
    """The Galaxy that the settings name; ConfigError where key or workflow cannot be read or used."""
    texts = {}
    for name, path in (("key_file", settings.key_file), ("workflow", settings.workflow)):
        try:
            texts[name] = path.read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"cannot be read: {error}", path=path, key=f"workflows.{name}") from error
    return GalaxyApi(settings.url, texts["key_file"].strip(), texts["workflow"], settings.timeout_s)


def paused_workflow(text: str) -> str:
    """The workflow with a pause after its input, so that nothing runs before it is released.

    ConfigError where it is no workflow in format 2 with an input `ticket`.
    """
    import yaml

    try:
        workflow = yaml.safe_load(text)
        steps = workflow["steps"]
        if workflow["class"] != "GalaxyWorkflow" or INPUT not in workflow["inputs"] or not isinstance(steps, dict):
            raise KeyError(INPUT)
        for step in steps.values():
            step["in"] = {name: f"{PAUSE}/output" if source == INPUT else source for name, source in step["in"].items()}
    except (yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        message = f"is no workflow in format 2 with an input {INPUT!r} and named steps"
        raise ConfigError(message, key="workflows.workflow") from error
    pause = {"type": "pause", "label": PAUSE, "in": {"input": INPUT}}
    return str(yaml.safe_dump({**workflow, "steps": {PAUSE: pause, **steps}}, sort_keys=False))
