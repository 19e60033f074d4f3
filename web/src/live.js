// A running job's page kept up to date. The server sends what changed (hub/web/live_stream.py): parts of the page as HTML it
// escaped itself, new points of the charts, and the end. Says live, stale (since when), or ended.

import { localise, timeOfDay } from "./times.js";

const SILENT_MS = 20_000; // the server says something every five seconds while a job runs
const NEWS_MS = 90_000; // a node sends something every few heartbeats

export class LiveJob {
  /** `held` is what is drawn already: the hub sends what comes after it. */
  constructor(article, { onPoints, onPart, held }) {
    this.article = article;
    this.status = document.getElementById("live");
    this.onPoints = onPoints;
    this.onPart = onPart;
    this.held = held;
    this.heardAt = Date.now();
    this.newsMs = null;
    this.skewMs = 0;
  }

  start() {
    const query = this.held ? `?${new URLSearchParams({ shape: this.held.shape, until: this.held.times_s.at(-2) ?? 0 })}` : "";
    this.source = new EventSource(`${this.article.dataset.address}/live${query}`);
    this.source.addEventListener("view", (event) => this.heard(() => this.onView(JSON.parse(event.data))));
    this.source.addEventListener("points", (event) => this.heard(() => this.onPoints(JSON.parse(event.data))));
    this.source.addEventListener("ended", () => this.end());
    this.source.addEventListener("error", () => this.tell());
    this.timer = setInterval(() => this.tell(), 1000);
    this.tell();
  }

  heard(act) {
    this.heardAt = Date.now();
    act();
    this.tell();
  }

  onView(message) {
    this.skewMs = Date.now() - message.made_ns / 1e6;
    this.newsMs = message.news_ns === null ? null : message.news_ns / 1e6;
    document.title = `${message.title} · slurmlens`;
    for (const [name, html] of Object.entries(message.parts)) {
      const part = this.article.querySelector(`[data-part="${name}"]`);
      if (!part) continue;
      const wasOpen = part.querySelector("details")?.open;
      part.innerHTML = html;
      if (wasOpen) part.querySelector("details")?.setAttribute("open", "");
      localise(part);
      this.onPart(name, part);
    }
  }

  /** One of three words, and since when. */
  tell() {
    if (!this.timer) return;
    const serverNow = Date.now() - this.skewMs;
    if (this.source.readyState !== EventSource.OPEN || Date.now() - this.heardAt > SILENT_MS) {
      this.say("stale", `stale since ${timeOfDay(this.heardAt)}: no connection to the hub, trying again`);
    } else if (this.newsMs !== null && serverNow - this.newsMs > NEWS_MS) {
      this.say("stale", `stale since ${timeOfDay(this.newsMs)}: no node has reported anything`);
    } else {
      this.say("live", "live");
    }
  }

  end() {
    this.source.close();
    clearInterval(this.timer);
    this.timer = null;
    this.say("ended", "ended");
  }

  say(kind, text) {
    if (this.status.textContent !== text) this.status.textContent = text;
    this.status.className = kind;
    this.article.dataset.live = kind;
  }
}
