import { resolve } from 'node:path';

export interface DemoArguments {
  /** Absolute; undefined: Node and the documents. */
  readonly path: string | undefined;
  /** Absolute: everything stays there. */
  readonly keep: string | undefined;
  readonly help: boolean;
}

export const usage = `npm run demo [-- [PATH] [--keep DIR]]

Shares PATH (a file or folder; by default the running Node executable and docs/) among
one tracker, one seeder and three downloaders, each a process of its own, then compares
what arrived byte for byte. --keep leaves downloads and traces in DIR (new or empty).
`;

/**
 * @param cwd where the user is: npm runs scripts in the project's folder and leaves the user's in INIT_CWD
 * @throws Error with a sentence for the user
 */
export function parseArguments(args: readonly string[], cwd: string): DemoArguments {
  let path: string | undefined;
  let keep: string | undefined;
  let help = false;
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] as string;
    if (arg === '-h' || arg === '--help') help = true;
    else if (arg === '--keep' || arg.startsWith('--keep=')) {
      const dir = arg === '--keep' ? args[++i] : arg.slice('--keep='.length);
      if (dir === undefined || dir === '') throw new Error('--keep wants a folder');
      keep = resolve(cwd, dir);
    } else if (arg.startsWith('-')) throw new Error(`unknown option ${arg}\n\n${usage}`);
    else if (path !== undefined) throw new Error(`one PATH, please: a folder can hold them all\n\n${usage}`);
    else path = resolve(cwd, arg);
  }
  return { path, keep, help };
}
