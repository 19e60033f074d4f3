// Holds boards against Grafana's published types: `node check.mjs < boards.json` reads {boards: {name: board}, resources} and prints
// [{release, board, where, message}], empty where all is well.
import { readFileSync } from 'node:fs';
import Ajv from 'ajv';

const RELEASES = [11, 12, 13];
const ajv = new Ajv({ strict: false, allErrors: true });
const compiled = new Map();

function schema(name) {
  if (!compiled.has(name)) compiled.set(name, ajv.compile(JSON.parse(readFileSync(new URL(`schemas/${name}.json`, import.meta.url)))));
  return compiled.get(name);
}

const found = [];
function hold(value, name, release, board, where) {
  const validate = schema(`${release}-${name}`);
  if (!validate(value)) {
    for (const error of validate.errors.slice(0, 3)) {
      const what = error.params.additionalProperty ?? '';
      found.push({ release, board, where: where + error.instancePath, message: `${error.message} ${what}`.trim() });
    }
  }
}

// A mark of log lines is more than the types of the dashboard say: its data source reads a query and two names of fields
// beside them. The rest of it is held against the dashboard's types, its query against the data source's.
function withoutLines(board) {
  const list = board.annotations.list.map((one) => {
    if (one.datasource.uid === '-- Grafana --') return one;
    const { query, timeField, textField, tagsField, target, ...rest } = one;
    return rest;
  });
  return { ...board, annotations: { list } };
}

const { boards, resources } = JSON.parse(readFileSync(0));
for (const [name, resource] of Object.entries(resources)) {
  // the status is the server's to write
  for (const release of [12, 13]) hold({ ...resource, status: {} }, 'resource', release, name, '');
}
for (const [name, board] of Object.entries(boards)) {
  for (const release of RELEASES) {
    hold(withoutLines(board), 'dashboard', release, name, '');
    board.panels.forEach((panel, at) => {
      const where = `/panels/${at} (${panel.title})`;
      if (panel.type !== 'row') hold(panel.options, `${panel.type}-options`, release, name, `${where}/options`);
      if (panel.type === 'timeseries') {
        hold(panel.fieldConfig.defaults.custom, 'timeseries-custom', release, name, `${where}/custom`);
      }
    });
    if (release >= 13) continue;
    const asked = [...board.panels.flatMap((panel) => panel.targets ?? []), ...board.annotations.list.map((one) => one.target)];
    for (const target of asked.filter((one) => one.datasource?.type === 'elasticsearch' || one.refId === 'Lines')) {
      hold(target, 'elasticsearch-query', release, name, `target ${target.refId}`);
    }
  }
}
console.log(JSON.stringify(found));
