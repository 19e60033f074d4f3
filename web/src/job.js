// The page of one job: the server's HTML and SVG are already there; this makes times local, charts alive and a running job move.

import { JobCharts } from "./charts.js";
import { addCopyButtons } from "./copy.js";
import { LiveJob } from "./live.js";
import { localise } from "./times.js";

const article = document.getElementById("job");
const chartRoot = document.getElementById("charts");
let charts = null;

localise(document);
addCopyButtons(article);

async function drawCharts() {
  const answer = await fetch(`${article.dataset.address}.json`);
  if (!answer.ok) return; // the server's SVG stays
  const view = await answer.json();
  if (!view.charts) return;
  charts = new JobCharts(chartRoot, edgesOf(view));
  charts.set(view.charts);
}

function edgesOf(view) {
  const seconds = (ns) => (ns === null ? null : ns / 1e9);
  return { startedS: seconds(view.times.started_ns), endedS: seconds(view.times.ended_ns) };
}

function onPoints(message) {
  // A chart that was empty, a node more, a job that began: the page's own structure is another one now.
  if (!charts && chartRoot) return; // the figures could not be read: the server's picture stays
  if (!charts || (message.reset && !sameShape(charts.charts, message.reset))) location.reload();
  else if (message.reset) charts.set(message.reset);
  else charts.extend(message);
}

function sameShape(before, now) {
  const shape = (all) =>
    JSON.stringify(all.charts.map((chart) => [chart.key, chart.empty, chart.note, chart.series.map((part) => [part.label, part.role])]));
  return shape(before) === shape(now);
}

function onPart(name, part) {
  addCopyButtons(part);
  if (name === "timeline") charts?.drawBand();
}

if (chartRoot) await drawCharts();
if ("live" in article.dataset) new LiveJob(article, { onPoints, onPart }).start();
