// Writes one JSON schema a type and release into schemas/: `node schemas.mjs`. The types are Grafana's own, as published.
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { createGenerator } from 'ts-json-schema-generator';

const RELEASES = [11, 12, 13];
const PANELS = ['timeseries', 'stat', 'table', 'text', 'logs'];

function typesFile(release, ...parts) {
  const raw = `node_modules/grafana-schema-${release}/dist/${release === 11 ? 'esm' : 'types'}/raw`;
  const folder = [raw, ...parts, 'x'].join('/');
  const found = readdirSync(folder).filter((name) => name.endsWith('.d.ts'));
  if (found.length !== 1) throw new Error(`${folder} holds ${found.length} files of types`);
  return `${folder}/${found[0]}`;
}

// every type is written where it is used: some names stand for two types
function write(release, name, path, type) {
  const generator = createGenerator({ path, type, tsconfig: 'tsconfig.json', skipTypeCheck: true, expose: 'none', topRef: false });
  writeFileSync(`schemas/${release}-${name}.json`, JSON.stringify(generator.createSchema(type)));
}

mkdirSync('schemas', { recursive: true });
for (const release of RELEASES) {
  write(release, 'dashboard', typesFile(release, 'dashboard'), 'Dashboard');
  for (const panel of PANELS) write(release, `${panel}-options`, typesFile(release, 'composable', panel, 'panelcfg'), 'Options');
  write(release, 'timeseries-custom', typesFile(release, 'composable', 'timeseries', 'panelcfg'), 'FieldConfig');
  // Grafana 13 publishes no types of this data source any more: it is a plug-in of its own
  if (release < 13) write(release, 'elasticsearch-query', typesFile(release, 'composable', 'elasticsearch', 'dataquery'), 'ElasticsearchDataQuery');
}
// What `/apis` takes: the classic dashboard as the spec of a resource.
for (const release of [12, 13]) {
  const path = `node_modules/grafana-schema-${release}/dist/types/schema/dashboard/v1beta1/dashboard_object_gen.d.ts`;
  write(release, 'resource', path, 'Dashboard');
}
