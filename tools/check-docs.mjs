/**
 * Checks what documents say against the tree (`npm run check` calls it):
 *
 * - every BEP that a source mentions has a row in docs/beps.md
 * - every file or folder of the project named in backticks, and every relative link, exists
 * - every code block that names an example is that example
 * - every error code has its place in docs/library.md
 *
 *     node tools/check-docs.mjs
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, sep } from 'node:path';
import { projectRoot } from './rooms.mjs';

const problems = [];

function read(path) {
  return readFileSync(join(projectRoot, path), 'utf8');
}

/** Files below a folder, as paths from the project's root. */
function list(folder, pattern) {
  return readdirSync(join(projectRoot, folder), { recursive: true })
    .map((path) => `${folder}/${path.split(sep).join('/')}`)
    .filter((path) => pattern.test(path));
}

/** The numbers of `BEP 3`, `BEPs 6 and 10`, `BEP 3/7` and `BEP 5, 6, 10`; what follows as `68 bytes` or `13-byte` is none. */
export function findBeps(text) {
  const list = /\bBEPs?[ -]\d+(?:(?:, | and |\/)\d+(?![\d-]| ?(?:bytes|B|KiB|ms|s|min)\b))*/g;
  return new Set([...text.matchAll(list)].flatMap(([found]) => [...found.matchAll(/\d+/g)].map(Number)));
}

function checkBeps() {
  const rows = new Set([...read('docs/beps.md').matchAll(/^\| (\d+) \|/gm)].map(([, number]) => Number(number)));
  for (const file of list('src', /\.ts$/)) {
    for (const number of findBeps(read(file))) {
      if (!rows.has(number)) problems.push(`${file} mentions BEP ${number}, which has no row in docs/beps.md`);
    }
  }
  return rows.size;
}

/** Paths in backticks that claim to be of this project: `src/…`, `test/…` and so on, without wildcards. */
function checkPaths(document, text) {
  const isOurs = /^(src|test|tools|docs|examples|bench|fuzz|\.ci)\/(?!.*NAME)[\w./-]*$/;
  for (const [, path] of text.matchAll(/`([^`\n]+)`/g)) {
    if (isOurs.test(path) && !existsSync(join(projectRoot, path))) problems.push(`${document}: ${path} does not exist`);
  }
}

function checkLinks(document, text) {
  for (const [, target] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
    if (/^[a-z]+:/.test(target)) continue;
    const [path, anchor] = target.split('#');
    const file = path === '' ? document : join(dirname(document), path);
    if (!existsSync(join(projectRoot, file))) problems.push(`${document}: link to ${target}, which does not exist`);
    else if (anchor !== undefined && !headingsOf(read(file)).has(anchor)) {
      problems.push(`${document}: link to ${target}, which has no such heading`);
    }
  }
}

/** Anchors as common hosts make them: lower case, no punctuation, dashes for blanks. */
function headingsOf(text) {
  const anchors = [...text.matchAll(/^#+ (.+)$/gm)].map(([, title]) =>
    title
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
  return new Set(anchors);
}

/** A block after `<!-- examples/NAME.ts -->` is the file without its head comment, so what is read is what is run. */
function checkExamples(document, text) {
  for (const [, file, block] of text.matchAll(/<!-- (examples\/[\w-]+\.ts) -->\n+```ts\n([\s\S]*?)```/g)) {
    if (!existsSync(join(projectRoot, file))) problems.push(`${document}: ${file} does not exist`);
    else if (read(file).replace(/^\/\*\*.*\*\/\n/, '') !== block)
      problems.push(`${document}: the block of ${file} differs from it`);
  }
}

/** The codes of `ErrorDetail`, and those that documents promise. */
function checkErrorCodes() {
  const codes = [...read('src/base/error.ts').matchAll(/^ {2}'([a-z]+\/[a-z0-9-]+)': \{/gm)].map(([, code]) => code);
  const table = new Set([...read('docs/library.md').matchAll(/`([a-z]+\/[a-z0-9-]+)`/g)].map(([, code]) => code));
  for (const code of codes) if (!table.has(code)) problems.push(`docs/library.md does not have the error code ${code}`);
}

const rows = checkBeps();
checkErrorCodes();
const documents = ['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'SECURITY.md', ...list('docs', /\.md$/)];
for (const document of documents) {
  const text = read(document);
  checkPaths(document, text);
  checkLinks(document, text);
  checkExamples(document, text);
}
for (const problem of problems) process.stderr.write(`docs: ${problem}\n`);
if (problems.length === 0)
  process.stdout.write(`docs: ${documents.length} documents, ${rows} BEPs, all true to the tree\n`);
process.exitCode = problems.length === 0 ? 0 : 1;
