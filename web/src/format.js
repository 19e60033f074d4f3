// Numbers under the cursor, as shown/format.py writes them: two to three significant digits and a unit.

const BINARY = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
const DECIMAL = ["B", "kB", "MB", "GB", "TB", "PB"];

export function digits(value) {
  const size = Math.abs(value);
  if (size === 0) return "0";
  if (size < 0.00995) return "<0.01";
  if (size < 0.0995) return size.toFixed(3);
  if (size < 0.995) return size.toFixed(2);
  return size < 99.95 ? size.toFixed(1) : size.toFixed(0);
}

function scaled(value, base, units) {
  let size = Math.abs(value);
  let index = 0;
  while (size >= base * 0.9995 && index < units.length - 1) {
    size /= base;
    index += 1;
  }
  const text = index === 0 || size >= 9.95 ? size.toFixed(0) : digits(size);
  return `${text} ${units[index]}`;
}

function percent(ratio) {
  const share = Math.abs(ratio) * 100;
  if (share === 0) return "0 %";
  if (share < 0.05) return "<0.1 %";
  return share < 0.95 ? `${share.toFixed(1)} %` : `${share.toFixed(0)} %`;
}

const BY_UNIT = {
  value: (value) => String(Number(value.toPrecision(4))),
  log10: (value) => (10 ** value).toPrecision(3),
  cores: digits,
  bytes: (value) => scaled(value, 1024, BINARY),
  "bytes/s": (value) => `${scaled(value, 1000, DECIMAL)}/s`,
  ratio: percent,
};

/** A value of a chart with its unit; nothing measured is a dash, never 0. */
export function valueText(value, unit) {
  return value === null || value === undefined ? "–" : BY_UNIT[unit](value);
}
