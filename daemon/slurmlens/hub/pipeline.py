"""The hub, wired: the one place where its stages meet.

    nodes ─► web ─► ingest ─► history ─► queries ─► reports ─► web, JSON
                       │          ▲          live ──────────────► SSE
                       └─► live   │
                      slurm ─► poller, reconcile

The web part is made by `slurmlens.hub.web.app.make_app`, whose signature is agreed here:

    def make_app(*, queries: Queries, live: Live, take_events: TakeEvents, status: StatusOf, settings: HubConfig)
        -> aiohttp.web.Application

- `queries` (`history.queries.Queries`): `await queries.job_facts(job_id, run=None, cluster=None) -> JobFacts | None`,
  `await queries.jobs(JobFilter()) -> tuple[JobRow, ...]`, `await queries.job_events(job_id, run=None) -> list[bytes]`
  (documents as the nodes sent them, oldest first).
- `live` (`hub.live.Live`): `with live.watch(job_id) as watch: async for change in watch: ...` yields `hub.live.Change`
  values of that job (the queue is bounded: a slow reader gets one `Change` of kind RESYNC and reads anew).
- `take_events(body: bytes, headers: Mapping[str, str], peer: str | None) -> Awaitable[tuple[int, bytes]]`: status and
  JSON of the answer to `POST /api/v1/events`; `headers` by lower-case names. The body is read with
  `settings.listen.max_body_bytes` as `client_max_size`.
- `status() -> Awaitable[dict[str, object]]`: what `/status.json` says, ready for JSON.
"""
