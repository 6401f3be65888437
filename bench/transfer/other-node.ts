import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { BadArgument } from '../support/arguments.ts';

/** Another Node that Eider's processes run on, beside this one. */
export interface OtherNode {
  /** Of the binary. */
  readonly path: string;
  /** How its rows are called: `eider (Node 26)`. */
  toName(name: string): string;
}

const newest = new URL(`../../newest-node/node_modules/node-linux-${process.arch}/bin/node`, import.meta.url);

/** @param paths of `--node`. @throws where one of them is no Node */
export function otherNodes({ paths, isNewest }: { paths: readonly string[]; isNewest: boolean }): OtherNode[] {
  const all = [...paths];
  if (isNewest) {
    const path = fileURLToPath(newest);
    if (!existsSync(path)) throw new BadArgument('not installed (tools/install-interop-npm.mjs --newest-node)');
    all.push(path);
  }
  return all.map((path) => {
    const { stdout } = spawnSync(path, ['-p', 'process.versions.node'], { encoding: 'utf8' });
    const major = /^(\d+)\./.exec(stdout ?? '')?.[1];
    if (major === undefined) throw new BadArgument(`--node: ${path} is no Node`);
    return { path, toName: (name) => `${name} (Node ${major})` };
  });
}
