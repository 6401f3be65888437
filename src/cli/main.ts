#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { Cli } from './context.ts';
import { exitCodes, toFailure } from './exit.ts';

/** A subcommand's own file is loaded only when it is asked for: `eider --help` reads this table and nothing else. */
interface Entry {
  readonly name: string;
  readonly arguments: string;
  readonly summary: string;
  readonly load: () => Promise<(command: Command, cli: Cli) => void>;
  /** It looks at the other commands: all of them are loaded with it. */
  readonly needsAll?: boolean;
}

const entries: readonly Entry[] = [
  {
    name: 'create',
    arguments: '<path>',
    summary: 'make a .torrent file from a file or folder',
    load: async () => (await import('./create.ts')).defineCreate,
  },
  {
    name: 'info',
    arguments: '<torrent|magnet>',
    summary: 'show what a torrent or magnet link holds',
    load: async () => (await import('./info.ts')).defineInfo,
  },
  {
    name: 'magnet',
    arguments: '<torrent>',
    summary: 'print the magnet link of a torrent',
    load: async () => (await import('./magnet.ts')).defineMagnet,
  },
  {
    name: 'verify',
    arguments: '<torrent>',
    summary: 'check downloaded data against a torrent',
    load: async () => (await import('./verify.ts')).defineVerify,
  },
  {
    name: 'download',
    arguments: '<torrent|magnet|url>',
    summary: 'download a torrent, or resume it',
    load: async () => (await import('./download.ts')).defineDownload,
  },
  {
    name: 'seed',
    arguments: '<torrent|path>',
    summary: 'share a file or folder, or what a torrent names',
    load: async () => (await import('./seed.ts')).defineSeed,
  },
  {
    name: 'run',
    arguments: '[torrent|magnet|url...]',
    summary: 'run all torrents that were added, and add more',
    load: async () => (await import('./run.ts')).defineRun,
  },
  {
    name: 'tracker',
    arguments: '',
    summary: 'run a tracker',
    load: async () => (await import('./tracker.ts')).defineTracker,
  },
  {
    name: 'completions',
    arguments: '<shell>',
    summary: 'print a completion script for bash, zsh or fish',
    load: async () => (await import('./completions.ts')).defineCompletions,
    needsAll: true,
  },
];

const epilogue = `
Exit codes:
  0 done   1 failed   2 wrong usage   3 not found, or not a torrent   4 timed out
  5 data does not match   7 interrupted before it was done   9 disk full
  130 stopped at once by a second Ctrl-C

Results go to stdout; progress and messages to stderr. Sizes and rates are in
powers of 1024 (KiB, MiB). EIDER_DEBUG=1 shows where an error comes from.
\`eider <command> --help\` explains a command and gives examples.`;

function readVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

/** The name of the command that `args` ask for, or ask help about. */
function findEntry(args: readonly string[]): Entry | undefined {
  const words = args.filter((a) => !a.startsWith('-'));
  const name = words[0] === 'help' ? words[1] : words[0];
  return entries.find((e) => e.name === name);
}

async function createProgram(args: readonly string[], cli: Cli): Promise<Command> {
  const program = new Command('eider')
    .description('Eider: make, share, fetch and check torrents; run a tracker.')
    .version(readVersion(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'show this help')
    .helpCommand('help [command]', 'show the help of a command')
    .showHelpAfterError('(--help shows what is possible)')
    .addHelpText('after', epilogue)
    .configureOutput({
      writeOut: (text) => cli.print(text),
      writeErr: (text) => cli.stderr.write(text),
      outputError: (text, write) => write(text.replace(/^error: /, `${cli.paintErr('red', 'eider:')} `)),
    })
    .exitOverride();
  const wanted = findEntry(args);
  for (const entry of entries) {
    const command = program.command(entry.name).summary(entry.summary);
    if (entry === wanted || wanted?.needsAll === true) (await entry.load())(command, cli);
    else command.usage(entry.arguments);
  }
  return program;
}

/** @returns the exit code */
async function run(args: readonly string[], cli: Cli): Promise<number> {
  try {
    const program = await createProgram(args, cli);
    await program.parseAsync(args, { from: 'user' });
    return Number(process.exitCode ?? exitCodes.ok);
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
    return report(error, cli);
  }
}

/** Tells what went wrong. @returns the exit code */
function report(error: unknown, cli: Cli): number {
  const isDebugging = (process.env['EIDER_DEBUG'] ?? '') !== '';
  const failure = toFailure(error);
  if (failure === undefined) {
    const what = error instanceof Error ? error.message : String(error);
    cli.fail(
      'cli/internal',
      `internal error, please report it: ${what}${isDebugging ? '' : ' (EIDER_DEBUG=1 shows where)'}`,
    );
  } else cli.fail(failure.code, failure.message);
  if (isDebugging && error instanceof Error) cli.stderr.write(`${inspectChain(error)}\n`);
  return failure?.exitCode ?? exitCodes.failure;
}

function inspectChain(error: Error): string {
  const stack = error.stack ?? error.message;
  return error.cause instanceof Error ? `${stack}\ncaused by ${inspectChain(error.cause)}` : stack;
}

const cli = new Cli(process.stdout, process.stderr);
/** How long what must be saved may take when a bug ends the process. */
const lastWordsMs = 5_000;
let isDying = false;
const onStray = (error: unknown): void => {
  // Others may follow while the last words are said.
  if (isDying) return;
  isDying = true;
  const code = report(error, cli);
  const end = () => process.exit(code);
  if (cli.lastWords === undefined) end();
  setTimeout(end, lastWordsMs);
  cli.lastWords?.().then(end, end);
};
process.on('uncaughtException', onStray);
process.on('unhandledRejection', onStray);
process.exitCode = await run(process.argv.slice(2), cli);
// A handle that somebody left open must not keep a finished command alive; what is still to be written gets this long.
setTimeout(() => process.exit(), 2000).unref();
