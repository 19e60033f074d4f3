// The page of one job: the server's HTML and SVG are already there; this makes times local, charts alive and a running job move.

import { JobCharts } from "./charts.js";
import { addCopyButtons } from "./copy.js";
import { LiveJob } from "./live.js";
import { localise } from "./times.js";

const article = document.getElementById("job");
let charts = null;
let work = Promise.resolve(); // messages are worked off in their order, also where one has to ask the hub

localise(document);
addCopyButtons(article);

async function firstCharts() {
  const root = document.getElementById("charts");
  if (!root) return;
  const answer = await fetch(`${article.dataset.address}.json`);
  if (!answer.ok) return; // the server's picture stays
  const view = await answer.json();
  charts = new JobCharts(root);
  charts.set(view.charts);
}

async function onPoints(message) {
  if (!message.reset) charts?.extend(message);
  else if (charts && sameLines(charts.charts, message.reset)) charts.set(message.reset);
  else await newStructure(message.reset);
}

/** A chart that was empty has filled, a node has come, a job has begun: the page's own structure is another one now. */
async function newStructure(all) {
  const answer = await fetch(article.dataset.address);
  if (!answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("course");
  if (!fresh) return;
  localise(fresh);
  charts?.discard();
  const course = document.getElementById("course");
  if (course) course.replaceWith(fresh);
  else article.querySelector("[data-part=figures]").after(fresh);
  charts = new JobCharts(document.getElementById("charts"));
  charts.set(all);
}

/** Other bins of the same lines need no other page. */
function sameLines(before, now) {
  const lines = (all) => JSON.stringify(all.charts.map((chart) => [chart.key, chart.empty, chart.note, chart.series.map((part) => [part.label, part.role])]));
  return lines(before) === lines(now);
}

function onPart(name, part) {
  addCopyButtons(part);
  if (name === "timeline") charts?.drawBand();
}

await firstCharts();
if ("live" in article.dataset) {
  const inOrder = (message) => (work = work.then(() => onPoints(message)));
  new LiveJob(article, { onPoints: inOrder, onPart, held: charts?.charts }).start();
}
