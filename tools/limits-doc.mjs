/**
 * Makes docs/limits.md out of the limits files: reasons from the comments in the sources, values from the built modules.
 *
 *     node tools/limits-doc.mjs --write    writes docs/limits.md
 *     node tools/limits-doc.mjs            fails where docs/limits.md is not what it would write
 *
 * Expects a finished build. A limit without a reason, and limits of which this table does not know, are failures too.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, sep } from 'node:path';
import { pathToFileURL } from 'node:url';
import { projectRoot } from './rooms.mjs';

/**
 * In the order of the document. `name`: the exported object · `docs`: the interface that has the reasons where the object has none ·
 * `values`: how to get the object where a function makes it · `reasons`: those that no comment gives.
 */
const sources = [
  { title: 'Bencode', file: 'bencode/limits', name: 'limits' },
  { title: 'Torrents and magnet links', file: 'metainfo/limits', name: 'limits' },
  { title: 'Messages of peers', file: 'wire/peer/limits', name: 'peerLimits' },
  { title: 'Answers of trackers', file: 'wire/tracker/limits', name: 'trackerWireLimits' },
  { title: 'WebTorrent trackers', file: 'wire/tracker/ws-limits', name: 'wsWireLimits' },
  { title: 'UDP trackers, as a client', file: 'wire/tracker/udp-client', name: 'udpClientLimits' },
  {
    title: 'HTTP trackers, as a client',
    file: 'node/tracker-http',
    name: 'trackerHttpLimits',
    reasons: { redirectsMax: 'Redirects followed for one request.' },
  },
  { title: 'One torrent', file: 'swarm/limits', name: 'limits' },
  { title: 'A session', file: 'session/limits', name: 'limits' },
  { title: 'TCP', file: 'node/tcp', name: 'tcpLimits', docs: 'TcpLimits' },
  { title: 'Descriptors', file: 'node/descriptors', name: 'descriptorLimits' },
  { title: 'Disk', file: 'node/disk/limits', name: 'diskLimits', docs: 'DiskLimits' },
  {
    title: 'Tracker: what an operator may set',
    file: 'tracker/limits',
    name: 'toTrackerLimits',
    docs: 'TrackerLimits',
    values: (module) => module.toTrackerLimits(),
  },
  { title: 'Tracker: its front ends', file: 'trackerd/limits', name: 'frontLimits', docs: 'FrontLimits' },
  {
    title: 'Tracker: one address',
    file: 'tracker/address-limits',
    name: 'addressLimitDefaults',
    docs: 'AddressLimitOptions',
  },
  { title: 'Tracker: pages and API', file: 'trackerd/limits', name: 'webLimits' },
  { title: 'Tracker: catalogue', file: 'trackerd/limits', name: 'catalogueLimits' },
  { title: 'Tracker: WebTorrent peers', file: 'tracker/relay/limits', name: 'relayLimits', docs: 'RelayLimits' },
  { title: 'Tracker: WebSocket connections', file: 'trackerd/ws/limits', name: 'wsLimits', docs: 'WsLimits' },
  { title: 'Tracker: accounts of users', file: 'tracker/accounts/limits', name: 'accountLimits' },
  { title: 'Tracker: several as one', file: 'trackerd/limits', name: 'replicationLimits' },
];

const target = join(projectRoot, 'docs/limits.md');
const problems = [];

/** Lines of the block that `opening` begins, without its first and last. */
function blockAfter(lines, opening, file) {
  const from = lines.findIndex((line) => opening.test(line));
  if (from < 0) throw new Error(`${file}: ${opening} is not there`);
  const end = lines.findIndex((line, i) => i > from && /^\}/.test(line));
  return { lines: lines.slice(from + 1, end), intro: commentAbove(lines, from) };
}

function commentAbove(lines, at) {
  let from = at - 1;
  if (!/\*\/\s*$/.test(lines[from] ?? '')) return '';
  while (from > 0 && !/^\s*\/\*\*/.test(lines[from])) from--;
  return plain(lines.slice(from, at));
}

function plain(lines) {
  return lines
    .map((line) => line.replace(/^\s*(\/\*\*|\*\/|\*)?\s?/, '').replace(/\s*\*\/\s*$/, ''))
    .join(' ')
    .replace(/\s+/g, ' ')
    .trim();
}

/** Reasons by path (`requests.start`). A key without a comment shares the one above it. */
function readReasons(lines) {
  const reasons = new Map();
  const path = [];
  let comment = [];
  let isInComment = false;
  let last = '';
  for (const line of lines) {
    if (/^\s*\/\*\*/.test(line)) {
      comment = [];
      isInComment = true;
    }
    if (isInComment) {
      comment.push(line);
      if (line.includes('*/')) isInComment = false;
      continue;
    }
    const key = /^\s*(?:readonly )?([A-Za-z]\w*)\??:/.exec(line)?.[1];
    if (key !== undefined) {
      const said = plain(comment);
      if (/\{\s*$/.test(line)) path.push(key);
      else reasons.set([...path, key].join('.'), said === '' ? last : said);
      if (said !== '') last = said;
      comment = [];
    } else if (/^\s*\},?\s*$/.test(line)) {
      path.pop();
      last = '';
    }
  }
  return reasons;
}

function* walkValues(values, path = []) {
  for (const [key, value] of Object.entries(values)) {
    if (typeof value === 'object' && value !== null) yield* walkValues(value, [...path, key]);
    else yield { path: [...path, key].join('.'), key, value };
  }
}

/** By the end of a name: sizes of larger units, in which a value is given too where it comes out even. */
const units = [
  { pattern: /bytes/i, sizes: { KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 } },
  { pattern: /Ms$/, sizes: { s: 1000, min: 60_000, h: 3_600_000, d: 86_400_000 } },
  { pattern: /(?<!Per)Sec$/, sizes: { min: 60, h: 3600, d: 86_400 } },
];

/** `67,108,864 (64 MiB)` */
function formatValue(key, value) {
  const exact = value.toLocaleString('en-US');
  const sizes = units.find(({ pattern }) => pattern.test(key))?.sizes ?? {};
  const even = Object.entries(sizes).findLast(([, size]) => value >= size && value % size === 0);
  return even === undefined ? exact : `${exact} (${(value / even[1]).toLocaleString('en-US')} ${even[0]})`;
}

async function describe({ title, file, name, docs, values: toValues, reasons: given = {} }) {
  const path = `src/${file}.ts`;
  const lines = readFileSync(join(projectRoot, path), 'utf8').split('\n');
  const opening =
    docs === undefined ? new RegExp(`^export const ${name}\\b`) : new RegExp(`^export interface ${docs}\\b`);
  const { lines: block, intro } = blockAfter(lines, opening, path);
  const reasons = readReasons(block);
  const module = await import(pathToFileURL(join(projectRoot, `dist/${file}.js`)).href);
  const values = toValues?.(module) ?? module[name];
  const rows = [];
  for (const { path: limit, key, value } of walkValues(values)) {
    const reason = given[limit] ?? reasons.get(limit);
    if (reason === undefined || reason === '') problems.push(`${path}: ${limit} has no reason`);
    rows.push(`| \`${limit}\` | ${formatValue(key, value)} | ${(reason ?? '').replaceAll('|', '\\|')} |`);
    reasons.delete(limit);
  }
  for (const limit of reasons.keys())
    problems.push(`${path}: ${limit} is described, and the built module has no value of it`);
  // What the generator says about itself is no news to a reader.
  const about = intro.replace(/\s*\(?(Documented in|docs\/limits\.md is made from)[^.)]*\.?[md]*\)?\.?/g, '').trim();
  const head = [`## ${title}`, '', `\`${path}\`${about === '' ? '' : `: ${about}`}`];
  return [...head, '', '| limit | value | why |', '|---|---|---|', ...rows].join('\n');
}

/** Limits that nobody has put into `sources`. The simulator's are no promise to anybody. */
function checkComplete() {
  const known = new Set(sources.map(({ file }) => `${file}.ts`));
  for (const entry of readdirSync(join(projectRoot, 'src'), { recursive: true })) {
    const file = entry.split(sep).join('/');
    if (!file.endsWith('.ts') || file.startsWith('sim/') || known.has(file)) continue;
    const text = readFileSync(join(projectRoot, 'src', file), 'utf8');
    if (/^export const \w*[lL]imits\b/m.test(text))
      problems.push(`src/${file} has limits that tools/limits-doc.mjs does not know`);
  }
}

async function main() {
  checkComplete();
  const sections = [];
  for (const source of sources) sections.push(await describe(source));
  const text = [
    '# Limits',
    '',
    'Every bound, default and constant that decides what a stranger can make Eider spend, or how patient Eider is, with its reason. Names end in their unit: `Bytes`, `Ms` (milliseconds), `Sec` (seconds), `Max` and `Count` (numbers of things).',
    '',
    'Made by `node tools/limits-doc.mjs --write` from the sources named below; `npm run check` fails where it is out of date.',
    '',
    sections.join('\n\n'),
    '',
  ].join('\n');
  if (process.argv.includes('--write')) writeFileSync(target, text);
  else if (readFileSync(target, 'utf8') !== text) {
    problems.push('docs/limits.md is out of date: node tools/limits-doc.mjs --write');
  }
  for (const problem of problems) process.stderr.write(`limits: ${problem}\n`);
  if (problems.length === 0) process.stdout.write(`limits: ${sources.length} files, docs/limits.md is up to date\n`);
  return problems.length === 0 ? 0 : 1;
}

process.exitCode = await main();
