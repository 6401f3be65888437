/**
 * Writes what documents say about the tracker's configuration, from the one table that knows it (src/trackerd/config/table.ts):
 * deploy/tracker.toml, and the reference in docs/tracker.md between its two marks.
 *
 *     node tools/tracker-config-doc.mjs --write    writes both
 *     node tools/tracker-config-doc.mjs            fails where they are not what it would write
 *
 * Expects a finished build.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatExampleConfig, formatReference } from '../dist/trackerd/config/format.js';
import { projectRoot } from './rooms.mjs';

const begin = '<!-- reference: tools/tracker-config-doc.mjs -->';
const end = '<!-- end of reference -->';

const example = join(projectRoot, 'deploy/tracker.toml');
const handbook = join(projectRoot, 'docs/tracker.md');
const text = readFileSync(handbook, 'utf8');
const [before, rest] = text.split(begin);
const after = rest?.split(end)[1];
if (after === undefined) throw new Error(`docs/tracker.md needs ${begin} and ${end}`);
const wanted = new Map([
  [example, formatExampleConfig()],
  [handbook, `${before}${begin}\n\n${formatReference()}\n\n${end}${after}`],
]);

for (const [path, content] of wanted) {
  if (process.argv[2] === '--write') writeFileSync(path, content);
  else if (readFileSync(path, 'utf8') !== content) {
    process.stderr.write(`${path} is not what the configuration says: node tools/tracker-config-doc.mjs --write\n`);
    process.exitCode = 1;
  }
}
