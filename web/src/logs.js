// The page of log lines: follows what comes (hub/web/pages/logs.py sends it), and takes a stretch of time by dragging over
// the histogram. Without this script bars are links and the page is whole.

const MOST_ROWS = 500;

const followButton = document.getElementById("follow");
const table = document.getElementById("lines");
const status = document.getElementById("tail");
let source = null;

function cell(row, className, text) {
  const made = row.insertCell();
  if (className) made.className = className;
  made.textContent = text ?? "";
  return made;
}

function link(into, address, text) {
  const anchor = document.createElement("a");
  anchor.href = address;
  anchor.textContent = text;
  into.replaceChildren(anchor);
}

/** Text as the page's own: what a terminal would obey is shown, not obeyed. */
function visible(text) {
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, "\ufffd");
}

function add(line) {
  const row = table.tBodies[0].insertRow(0);
  if (line.tone) row.className = `tone-row-${line.tone}`;
  const time = new Date(line.time_ns / 1e6).toISOString().slice(11, 19);
  const query = new URLSearchParams({ node: line.node, around: line.place });
  link(cell(row, "when"), `/logs?${query}`, time);
  link(cell(row), `/logs?node=${encodeURIComponent(line.node)}`, visible(line.node));
  cell(row, "", visible(line.program ?? ""));
  const job = cell(row);
  if (line.job_id) link(job, `/jobs/${line.job_id}`, line.step ? `${line.job}.${line.step}` : line.job);
  cell(row, "message", visible(line.message));
  if (table.tBodies[0].rows.length > MOST_ROWS) table.tBodies[0].deleteRow(-1);
}

function follow() {
  table.hidden = false;
  source = new EventSource(`/logs/live${location.search}`);
  source.addEventListener("lines", (event) => {
    const { rows, skipped } = JSON.parse(event.data);
    rows.forEach(add);
    status.textContent = skipped ? `Following; ${skipped} lines came too fast and were skipped.` : "Following.";
  });
  source.addEventListener("error", () => {
    status.textContent = "No connection to the hub, trying again.";
  });
  status.textContent = "Following.";
  status.hidden = false;
  followButton.setAttribute("aria-pressed", "true");
  followButton.textContent = "Stop";
}

function stop() {
  source.close();
  source = null;
  status.textContent = "Stopped.";
  followButton.setAttribute("aria-pressed", "false");
  followButton.textContent = "Follow";
}

if (followButton && table) {
  followButton.hidden = false;
  followButton.addEventListener("click", () => (source ? stop() : follow()));
}

const histogram = document.getElementById("histogram");
if (histogram) {
  let from = null;
  const share = (event) => {
    const box = histogram.getBoundingClientRect();
    return Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
  };
  const moment = (part) => {
    const ms = (Number(histogram.dataset.begin) + part * Number(histogram.dataset.span)) / 1e6;
    return new Date(ms).toISOString().replace(/\.\d+Z$/, "Z");
  };
  histogram.addEventListener("pointerdown", (event) => {
    from = share(event);
  });
  histogram.addEventListener("dragstart", (event) => event.preventDefault());
  histogram.addEventListener("pointerup", (event) => {
    const to = share(event);
    if (from === null || Math.abs(to - from) < 0.01) return; // a click: the bar's own link
    const query = new URLSearchParams(new FormData(document.getElementById("filters")));
    query.set("since", moment(Math.min(from, to)));
    query.set("until", moment(Math.max(from, to)));
    location.assign(`/logs?${query}`);
  });
  histogram.addEventListener("click", (event) => {
    if (from !== null && Math.abs(share(event) - from) >= 0.01) event.preventDefault();
    from = null;
  });
}
