import { BtError } from '../base/index.ts';

/**
 * Exclude patterns: `*` any characters but '/', `**` any folders, `?` one character, `[a-z]` `[!a-z]` a class, `{a,b}` alternatives,
 * `\` takes the next character as it stands.
 *
 * A pattern without '/' is tried on every name at any depth, as .gitignore does; one with '/' on the whole path below the shared folder.
 * A trailing '/' only means folders. A folder that matches takes all that is in it along.
 */
export type Exclude = (entry: { readonly parts: readonly string[]; readonly isFolder: boolean }) => boolean;

interface Rule {
  readonly regex: RegExp;
  readonly onlyFolders: boolean;
  readonly wholePath: boolean;
}

/** @throws BtError `client/invalid` naming the pattern, where it cannot be one */
export function parseExclude(patterns: readonly string[]): Exclude {
  const rules = patterns.map(toRule);
  return ({ parts, isFolder }) => {
    const name = parts.at(-1) ?? '';
    const path = parts.join('/');
    return rules.some((r) => (isFolder || !r.onlyFolders) && r.regex.test(r.wholePath ? path : name));
  };
}

function toRule(pattern: string): Rule {
  const onlyFolders = pattern.endsWith('/');
  const body = pattern.replace(/^\.?\/+/, '').replace(/\/+$/, '');
  if (body === '') throw badPattern(pattern, 'is empty');
  const wholePath = body.includes('/') || pattern.startsWith('/') || pattern.startsWith('./');
  const source = toRegexSource(body, pattern);
  try {
    return { regex: new RegExp(`^${source}$`, 'su'), onlyFolders, wholePath };
  } catch {
    throw badPattern(pattern, 'has a character class that makes no sense');
  }
}

function badPattern(pattern: string, what: string): BtError {
  return new BtError('client/invalid', { what: `exclude pattern ${JSON.stringify(pattern)} ${what}` });
}

function toRegexSource(glob: string, pattern: string): string {
  let out = '';
  let depth = 0;
  for (let i = 0; i < glob.length; i++) {
    const c = glob[i] as string;
    if (c === '*') {
      if (glob[i + 1] === '*') {
        const atStart = i === 0 || glob[i - 1] === '/';
        if (atStart && glob[i + 2] === '/') {
          out += '(?:[^/]+/)*'; // `**/x` also matches `x`
          i += 2;
        } else {
          out += '.*';
          i += 1;
        }
      } else out += '[^/]*';
    } else if (c === '?') out += '[^/]';
    else if (c === '[') {
      const end = glob.indexOf(']', i + (glob[i + 1] === '!' || glob[i + 1] === '^' ? 3 : 2));
      if (end < 0) {
        out += '\\[';
        continue;
      }
      const negated = glob[i + 1] === '!' || glob[i + 1] === '^';
      const set = glob.slice(i + (negated ? 2 : 1), end).replace(/[\\\][^]/g, '\\$&');
      out += negated ? `[^/${set}]` : `[${set}]`;
      i = end;
    } else if (c === '{') {
      out += '(?:';
      depth++;
    } else if (c === '}' && depth > 0) {
      out += ')';
      depth--;
    } else if (c === ',' && depth > 0) out += '|';
    else if (c === '\\' && i + 1 < glob.length) out += escapeRegex(glob[++i] as string);
    else out += escapeRegex(c);
  }
  if (depth > 0) throw badPattern(pattern, 'has a { without }');
  return out;
}

function escapeRegex(c: string): string {
  return /[\\^$.*+?()[\]{}|/]/.test(c) ? `\\${c}` : c;
}
