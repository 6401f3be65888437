/**
 * Compares policies in simulated swarms (src/sim/policies) and prints tables.
 *
 *     node tools/sim-policies.mjs [--question NAME] [--swarm NAME,...] [--variant TEXT] [--seeds COUNT] [--rows FILE] [--write]
 *
 * Every variant of a question (`choker`, `slots`, `seed-choker`, `picker`, `end-game`; all where none is named) runs in every swarm with
 * seeds 1 to COUNT (3). `--variant` runs those whose name holds the text. `--rows` keeps figures in a file and runs nothing that it has:
 * to go on after a stop; it knows nothing of changes of the program. `--write` puts whole tables into docs/policies.md.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readArguments } from './arguments.mjs';
import { projectRoot } from './rooms.mjs';

const values = readArguments(
  import.meta.filename,
  {
    question: { type: 'string' },
    swarm: { type: 'string' },
    variant: { type: 'string', default: '' },
    seeds: { type: 'string', default: '3' },
    rows: { type: 'string' },
    write: { type: 'boolean', default: false },
  },
  { seeds: true },
);
const { formatTable, judge, judgedSwarms, questions } = await import('../dist/sim/index.js');

const crypto = {
  sha1: (data) => new Uint8Array(createHash('sha1').update(data).digest()),
  sha256: (data) => new Uint8Array(createHash('sha256').update(data).digest()),
  random: () => {
    throw new Error('chance comes from the seed');
  },
};
const seeds = Array.from({ length: Number(values.seeds) }, (_, i) => i + 1);
const document = join(projectRoot, 'docs', 'policies.md');

/** Figures by what was run. */
const known = new Map();
if (values.rows !== undefined && existsSync(values.rows)) {
  for (const [key, figures] of JSON.parse(readFileSync(values.rows, 'utf8'))) known.set(key, figures);
}

/** @returns figures of each seed; what is as by default in all is run once for all questions */
function runAll(swarm, question, variant) {
  const isDefault = Object.keys(variant.policies).length === 0;
  return seeds.map((seed) => {
    const key = `${swarm.name}, ${isDefault ? 'default' : `${question.name}: ${variant.name}`}, seed ${seed}`;
    if (!known.has(key)) {
      const startedAt = performance.now();
      known.set(key, judge(swarm, variant, { seed, crypto }));
      if (values.rows !== undefined) writeFileSync(values.rows, JSON.stringify([...known]));
      process.stderr.write(`${key}: ${((performance.now() - startedAt) / 1000).toFixed(1)} s\n`);
    }
    return known.get(key);
  });
}

function runQuestion(question) {
  const rows = [];
  const names = values.swarm?.split(',');
  for (const swarm of judgedSwarms.filter(({ name }) => names?.includes(name) !== false)) {
    for (const variant of question.variants.filter(({ name }) => name.includes(values.variant))) {
      rows.push({ swarm: swarm.name, variant: variant.name, runs: runAll(swarm, question, variant) });
    }
  }
  return formatTable(rows);
}

/** Replaces what stands between the two marks of a question. */
function writeTable(name, table) {
  const text = readFileSync(document, 'utf8');
  const [begin, end] = [`<!-- table ${name} -->\n`, '<!-- end -->'];
  const from = text.indexOf(begin) + begin.length;
  const to = text.indexOf(end, from);
  if (from < begin.length || to < 0) throw new Error(`docs/policies.md has no place for the table '${name}'`);
  writeFileSync(document, `${text.slice(0, from)}\n${table}\n${text.slice(to)}`);
}

function main() {
  const chosen = questions.filter(({ name }) => values.question === undefined || name === values.question);
  if (chosen.length === 0) {
    process.stderr.write(`no question '${values.question}', known: ${questions.map(({ name }) => name).join(' ')}\n`);
    return 2;
  }
  if (values.write && values.variant !== '') {
    process.stderr.write('only tables with all variants are written: leave --variant out\n');
    return 2;
  }
  for (const question of chosen) {
    const table = runQuestion(question);
    process.stdout.write(`\n${question.name}: ${question.about}\n\n${table}`);
    if (values.write) writeTable(question.name, table);
  }
  return 0;
}

process.exitCode = main();
