import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

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
    if (!existsSync(path)) throw new Error('not installed (tools/install-interop-npm.mjs --newest-node)');
    all.push(path);
  }
  return all.map((path) => {
    const version = execFileSync(path, ['-p', 'process.versions.node'], { encoding: 'utf8' }).trim();
    const [major = version] = version.split('.');
    return { path, toName: (name) => `${name} (Node ${major})` };
  });
}
