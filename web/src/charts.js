// The charts of a job with one cursor over all, drag to zoom, double click back. Takes the place of the server's SVG, with the same
// geometry (hub/web/drawing.py), so that nothing moves. uPlot comes as a classic script and is a global.

import { valueText } from "./format.js";
import { axisTicks, timeOfDay } from "./times.js";

const PADDING = 7; // as drawing.PADDING
const BAND_WIDTH = 1000; // as drawing.PLOT_WIDTH
const SVG = "http://www.w3.org/2000/svg";

/** All charts of a page. `root` holds the server's figures; `set` shows new data, `extend` adds what is new. */
export class JobCharts {
  constructor(root) {
    this.root = root;
    this.plots = new Map();
    this.sync = uPlot.sync("job");
    this.whole = [0, 1];
    this.shown = null; // [from, to] while zoomed
    this.listening = new AbortController();
    const { signal } = this.listening;
    addEventListener("resize", () => this.resize(), { signal });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.set(this.charts), { signal });
    this.listenToKeys(signal);
  }

  set(charts) {
    this.charts = charts;
    this.whole = [charts.start_s, charts.end_s];
    this.destroy();
    for (const chart of charts.charts) {
      const figure = this.root.querySelector(`[data-chart="${chart.key}"]`);
      const lane = figure?.querySelector(".lane");
      if (lane && !chart.empty) this.plots.set(chart.key, this.makePlot(chart, figure, lane));
      this.countPoints(chart);
    }
    this.show(this.shown ?? this.whole);
    this.root.classList.add("scripted");
  }

  destroy() {
    for (const plot of this.plots.values()) plot.destroy();
    this.plots.clear();
  }

  /** For good: another picture takes this one's place. */
  discard() {
    this.destroy();
    this.listening.abort();
  }

  /** A `points` message: keep `from` bins, append the rest. */
  extend(message) {
    const charts = this.charts;
    charts.times_s = [...charts.times_s.slice(0, message.from), ...message.times_s];
    Object.assign(charts, { start_s: message.start_s, end_s: message.end_s, ran_until_s: message.ran_until_s });
    for (const chart of charts.charts) {
      const tail = message.charts[chart.key];
      if (!tail) continue;
      chart.series.forEach((series, index) => {
        series.values = [...series.values.slice(0, message.from), ...tail.values[index]];
      });
      Object.assign(chart, { scale: tail.scale, limit_shown: tail.limit_shown });
      this.plots.get(chart.key)?.setData(dataOf(charts, chart), false);
      this.countPoints(chart);
    }
    this.whole = [charts.start_s, charts.end_s];
    this.show(this.shown ?? this.whole);
  }

  /** How many points are drawn, for whoever looks at the page as a program. */
  countPoints(chart) {
    const figure = this.root.querySelector(`[data-chart="${chart.key}"]`);
    const drawn = this.charts.times_s.filter((_, index) => chart.series.some((series) => series.values[index] !== null));
    if (figure) figure.dataset.points = drawn.length;
  }

  /** Brings every plot, the band and the axis to one stretch of time. */
  show([from, to]) {
    for (const plot of this.plots.values()) {
      plot.batch(() => {
        plot.setScale("x", { min: from, max: to });
        plot.setScale("y", { min: plot.chart.scale.low, max: plot.chart.scale.high });
      });
    }
    drawAxis(document.getElementById("axis"), from, to);
    this.drawBand(from, to);
  }

  zoom(range) {
    this.shown = range;
    this.show(range ?? this.whole);
  }

  /** The band above the charts follows a zoom by its view box alone; called again when the server sends a new band. */
  drawBand(from = (this.shown ?? this.whole)[0], to = (this.shown ?? this.whole)[1]) {
    const band = document.querySelector(".band");
    if (!band) return;
    const spanS = this.whole[1] - this.whole[0];
    const x = ((from - this.whole[0]) / spanS) * BAND_WIDTH;
    const width = ((to - from) / spanS) * BAND_WIDTH;
    const height = band.getAttribute("height");
    band.setAttribute("viewBox", `${x} 0 ${width} ${height}`);
  }

  resize() {
    for (const plot of this.plots.values()) {
      plot.setSize({ width: plot.lane.clientWidth, height: Number(plot.lane.dataset.height) });
    }
    this.show(this.shown ?? this.whole);
  }

  makePlot(chart, figure, lane) {
    lane.replaceChildren();
    const colours = coloursOf(chart.series);
    const gutter = parseFloat(getComputedStyle(lane).getPropertyValue("--gutter"));
    const style = (name) => getComputedStyle(lane).getPropertyValue(name).trim();
    const plot = new uPlot(
      {
        width: lane.clientWidth,
        height: Number(lane.dataset.height),
        padding: [PADDING, 0, PADDING, 0],
        legend: { show: false },
        scales: { x: { time: false, auto: false }, y: { auto: false } },
        series: [{}, ...chart.series.map((series) => lineOf(series, colours, style))],
        bands: bandsOf(chart.series, style),
        axes: [{ show: false }, valueAxis(chart, gutter, style)],
        cursor: this.cursorOptions(),
        hooks: {
          setSelect: [(u) => this.onSelect(u)],
          setCursor: [(u) => this.onCursor(u, figure)],
          drawClear: [(u) => this.drawEdges(u, style("--muted"))],
          draw: [(u) => drawLimit(u, style("--muted"))],
        },
      },
      dataOf(this.charts, chart),
      lane,
    );
    plot.chart = chart;
    plot.lane = lane;
    return plot;
  }

  cursorOptions() {
    return {
      y: false,
      points: { size: 6 },
      drag: { x: true, y: false, setScale: false },
      sync: { key: this.sync.key },
      bind: { dblclick: () => () => this.zoom(null) },
    };
  }

  onSelect(u) {
    if (u.select.width < 4) return;
    const range = [u.posToVal(u.select.left, "x"), u.posToVal(u.select.left + u.select.width, "x")];
    u.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
    this.zoom(range);
  }

  onCursor(u, figure) {
    const index = u.cursor.idx;
    const off = index === null || index === undefined || u.cursor.left < 0;
    const chart = u.chart;
    if (!chart) return;
    for (const output of figure.querySelectorAll("output[data-label]")) {
      const found = chart.series.filter((series) => series.label === output.dataset.label);
      output.value = off ? "" : found.map((series) => valueText(series.values[index], chart.unit)).join(" / ");
    }
    const readout = document.getElementById("readout");
    if (readout) readout.value = off ? "" : timeOfDay(this.charts.times_s[index] * 1000);
  }

  drawEdges(u, colour) {
    const { ctx, bbox } = u;
    ctx.save();
    ctx.strokeStyle = colour;
    ctx.lineWidth = devicePixelRatio;
    ctx.setLineDash([devicePixelRatio, 3 * devicePixelRatio]);
    for (const at of [this.charts.ran_from_s, this.charts.ran_until_s]) {
      if (at === null || at < u.scales.x.min || at > u.scales.x.max) continue;
      const x = Math.round(u.valToPos(at, "x", true)) + 0.5;
      line(ctx, x, bbox.top, x, bbox.top + bbox.height);
    }
    ctx.restore();
  }

  /** Left and right move the cursor, Escape shows the whole again. */
  listenToKeys(signal) {
    const region = this.root.closest("section") ?? this.root;
    region.tabIndex = 0;
    region.addEventListener("keydown", (event) => {
      const first = this.plots.values().next().value;
      if (!first) return;
      if (event.key === "Escape") this.zoom(null);
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!step) return;
      const last = this.charts.times_s.length - 1;
      const index = Math.min(last, Math.max(0, (first.cursor.idx ?? (step > 0 ? -1 : last + 1)) + step));
      for (const plot of this.plots.values()) {
        plot.setCursor({ left: plot.valToPos(this.charts.times_s[index], "x"), top: 1 });
      }
      event.preventDefault();
    }, { signal });
  }
}

function dataOf(charts, chart) {
  const signed = (series) =>
    series.sign > 0 ? series.values : series.values.map((value) => (value === null ? null : -value));
  return [charts.times_s, ...chart.series.map(signed)];
}

function coloursOf(series) {
  const labels = [...new Set(series.filter((part) => !isEdge(part)).map((part) => part.label))];
  return new Map(labels.map((label, index) => [label, index % 8]));
}

/** Lowest and highest of many nodes bound a band and are no lines themselves. */
function isEdge(series) {
  return series.role === "low" || series.role === "high";
}

function lineOf(series, colours, style) {
  const edge = isEdge(series);
  const widths = { odd: 2.5, median: 2 };
  return {
    label: series.label,
    stroke: edge ? "transparent" : style(`--c${colours.get(series.label)}`),
    width: edge ? 0 : (widths[series.role] ?? 1.5),
    spanGaps: false,
    points: { show: edge ? false : loneOnly, size: 4, filter: lonePoints },
  };
}

// Points are drawn only where a line cannot be: between two gaps.
function loneOnly() {
  return true;
}

function lonePoints(u, seriesIndex, show) {
  const values = u.data[seriesIndex];
  const found = [];
  for (let i = 0; show && i < values.length; i += 1) {
    if (values[i] !== null && (values[i - 1] ?? null) === null && (values[i + 1] ?? null) === null) found.push(i);
  }
  return found;
}

function bandsOf(series, style) {
  const bands = [];
  for (const sign of [1, -1]) {
    const low = series.findIndex((part) => part.role === "low" && part.sign === sign);
    const high = series.findIndex((part) => part.role === "high" && part.sign === sign);
    if (low >= 0 && high >= 0) bands.push({ series: [high + 1, low + 1], dir: sign > 0 ? -1 : 1, fill: `${style("--c0")}38` });
  }
  return bands;
}

function valueAxis(chart, gutter, style) {
  return {
    size: gutter,
    gap: 8,
    font: `11.5px ${style("font-family") || "system-ui, sans-serif"}`,
    stroke: style("--muted"),
    ticks: { show: false },
    grid: { stroke: style("--line"), width: 1 },
    splits: () => chart.scale.ticks,
    values: () => chart.scale.texts,
  };
}

function drawLimit(u, colour) {
  const chart = u.chart;
  if (!chart?.limit_shown) return;
  const { ctx, bbox } = u;
  ctx.save();
  ctx.strokeStyle = colour;
  ctx.lineWidth = devicePixelRatio;
  ctx.setLineDash([6 * devicePixelRatio, 4 * devicePixelRatio]);
  const y = Math.round(u.valToPos(chart.limit, "y", true)) + 0.5;
  line(ctx, bbox.left, y, bbox.left + bbox.width, y);
  ctx.restore();
}

function line(ctx, fromX, fromY, toX, toY) {
  ctx.beginPath();
  ctx.moveTo(fromX, fromY);
  ctx.lineTo(toX, toY);
  ctx.stroke();
}

function drawAxis(axis, from, to) {
  if (!axis) return;
  const texts = axisTicks(from, to, axis.clientWidth || 800).map(([at, text]) => {
    const element = document.createElementNS(SVG, "text");
    element.setAttribute("x", `${((at - from) / (to - from)) * 100}%`);
    element.setAttribute("y", "14");
    element.textContent = text;
    return element;
  });
  axis.replaceChildren(...texts);
  axis.setAttribute("aria-label", "Time axis");
}
