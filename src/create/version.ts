import { readFileSync } from 'node:fs';

let version: string | undefined;

/** The version in package.json, which lies beside both `src` and `dist`. */
export function readVersion(): string {
  version ??= (JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string })
    .version;
  return version;
}
