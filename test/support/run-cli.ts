import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** The built command; built tests lie in build/test/support. */
export const eiderPath: string = fileURLToPath(new URL('../../../dist/lib/eider.js', import.meta.url));

export interface CliResult {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  /** Every line of stdout as JSON; throws where one is not. */
  readonly events: () => readonly CliEvent[];
}

export interface CliEvent {
  readonly v: number;
  readonly event: string;
  readonly [field: string]: unknown;
}

export interface CliRunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly onSpawn?: (child: ChildProcess) => void;
  /** Called with the process and all of stdout so far whenever more comes: to send a signal at the right moment. */
  readonly onOutput?: (child: ChildProcess, stdout: string) => void;
  /** The same for stderr. */
  readonly onStderr?: (child: ChildProcess, stderr: string) => void;
}

/** Runs `eider` with these arguments to its end. */
export function runCli(args: readonly string[], options: CliRunOptions = {}): Promise<CliResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [eiderPath, ...args], {
      cwd: options.cwd,
      env: { ...process.env, NO_COLOR: '1', ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    options.onSpawn?.(child);
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
      options.onOutput?.(child, stdout);
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
      options.onStderr?.(child, stderr);
    });
    child.on('error', reject);
    child.on('close', (code, signal) => {
      const events = () => parseEvents(stdout);
      resolve({ code, signal, stdout, stderr, events });
    });
  });
}

function parseEvents(stdout: string): CliEvent[] {
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as CliEvent);
}

/** For messages of failed tests. */
export function describeRun(args: readonly string[], result: CliResult): string {
  return `eider ${args.join(' ')}\ncode ${result.code} ${result.signal ?? ''}\nstdout: ${result.stdout}\nstderr: ${result.stderr}`;
}
