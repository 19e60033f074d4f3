// Times in the reader's zone, with UTC on hover; and round times for the axis below the charts.

const time = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const shortTime = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const date = new Intl.DateTimeFormat("sv-SE");
const shortDate = new Intl.DateTimeFormat("sv-SE", { month: "2-digit", day: "2-digit" });

const STEPS_S = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800];
const TICK_PIXELS = 84;

export function timeOfDay(ms) {
  return time.format(ms);
}

/** Rewrites every <time> below `root`; the date is left out where it is today and the server did not ask for it. */
export function localise(root) {
  for (const element of root.querySelectorAll("time[datetime]")) {
    const when = new Date(element.dateTime);
    if (Number.isNaN(when.getTime()) || element.title) continue;
    const wantsDate = /^\d{4}-/.test(element.textContent);
    const isToday = date.format(when) === date.format(Date.now());
    element.textContent = wantsDate && !isToday ? `${date.format(when)} ${time.format(when)}` : time.format(when);
    element.title = element.dateTime;
  }
}

/** [seconds, text] on round local times between two moments, as many as fit into `pixels`. */
export function axisTicks(startS, endS, pixels) {
  const spanS = endS - startS;
  if (!(spanS > 0)) return [];
  const most = Math.max(2, Math.min(10, pixels / TICK_PIXELS));
  const stepS = STEPS_S.find((step) => spanS / step <= most) ?? STEPS_S.at(-1);
  const offsetS = -new Date(startS * 1000).getTimezoneOffset() * 60;
  const format = stepS < 60 ? time : stepS < 86400 ? shortTime : shortDate;
  const ticks = [];
  for (let at = Math.ceil((startS + offsetS) / stepS) * stepS - offsetS; at <= endS; at += stepS) {
    ticks.push([at, format.format(at * 1000)]);
  }
  return ticks;
}
