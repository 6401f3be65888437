import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';

/**
 * Reads the command line of a tool. `--help` prints the comment at the head of its file. What it does not know, or is no number where
 * `numbers` has it, ends the process with one line and exit code 2.
 *
 * @param file import.meta.filename of the tool
 * @param numbers options that are numbers of at least 0, each with whether it has to be whole
 */
export function readArguments(file, options, numbers = {}) {
  let values;
  try {
    ({ values } = parseArgs({ options: { ...options, help: { type: 'boolean', short: 'h' } } }));
  } catch (error) {
    end(error.message);
  }
  if (values.help) {
    const head = /\/\*\*\n([\s\S]*?)\n \*\//.exec(readFileSync(file, 'utf8'))?.[1] ?? '';
    process.stdout.write(`${head.replaceAll(/^ \* ?/gm, '')}\n`);
    process.exit(0);
  }
  for (const [name, isWhole] of Object.entries(numbers)) {
    const text = values[name];
    if (text === undefined) continue;
    const value = Number(text);
    if (text.trim() === '' || !(value >= 0) || !Number.isFinite(value) || (isWhole && !Number.isSafeInteger(value)))
      end(`--${name} is a ${isWhole ? 'whole ' : ''}number, not '${text}'`);
  }
  return values;
}

function end(message) {
  process.stderr.write(`${message}\n(--help shows what is possible)\n`);
  process.exit(2);
}
