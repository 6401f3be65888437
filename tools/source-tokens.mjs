/**
 * A small tokenizer for TypeScript: identifiers, strings, templates, numbers, regular expressions and punctuation, with
 * comments left out. Enough to find imports and forbidden names without being fooled by comments, strings or regular
 * expressions; it does not parse types or JSX.
 */

/** Words after which a `/` begins a regular expression, although they look like names. */
const wordsBeforeExpression = new Set(
  'return typeof instanceof in of new delete void throw case do else yield await default extends'.split(' '),
);

const wordStart = /[\p{ID_Start}$_]/u;
const wordPart = /[\p{ID_Continue}$\u200c\u200d]/u;

/**
 * @param text source of one file
 * @returns tokens in order: `kind` is word, string, template, number, regexp or punctuation; `value` is the text, for
 *   strings and templates without substitutions the contents (escapes are left as written); `line` counts from 1
 */
export function tokenize(text) {
  const tokens = [];
  let at = text.startsWith('#!') ? text.indexOf('\n') : 0;
  if (at < 0) return tokens;
  let line = 1;
  // One entry an open brace: true where it is the `${` of a template.
  const braces = [];
  // One entry an open parenthesis: true where a `/` after its end begins a regular expression, as in `if (x) /y/`.
  const parentheses = [];
  let isAfterControlHead = false;

  const push = (kind, value) => tokens.push({ kind, value, line });
  const isRegExpAllowed = () => {
    const last = tokens.at(-1);
    if (last === undefined) return true;
    if (last.kind === 'word') return wordsBeforeExpression.has(last.value) && tokens.at(-2)?.value !== '.';
    if (last.kind !== 'punctuation') return last.kind === 'template' && last.isOpen === true;
    if (last.value === ')') return isAfterControlHead;
    return last.value !== ']' && last.value !== '}' && last.value !== '++' && last.value !== '--';
  };

  /** Reads template text from after a backtick or a substitution's `}` to the next `${` or backtick. */
  const readTemplate = () => {
    const from = at;
    const startLine = line;
    while (at < text.length && text[at] !== '`' && !text.startsWith('${', at)) {
      if (text[at] === '\\') at++;
      if (text[at] === '\n') line++;
      at++;
    }
    const isOpen = text[at] === '$';
    tokens.push({ kind: 'template', value: text.slice(from, at), line: startLine, isOpen });
    if (isOpen) braces.push(true);
    at += isOpen ? 2 : 1;
  };

  while (at < text.length) {
    const char = text[at];
    if (char === '\n') {
      line++;
      at++;
    } else if (/\s/.test(char)) at++;
    else if (text.startsWith('//', at)) {
      const end = text.indexOf('\n', at);
      at = end < 0 ? text.length : end;
    } else if (text.startsWith('/*', at)) {
      const end = text.indexOf('*/', at + 2);
      const next = end < 0 ? text.length : end + 2;
      for (let i = at; i < next; i++) if (text[i] === '\n') line++;
      at = next;
    } else if (char === "'" || char === '"') {
      const from = ++at;
      while (at < text.length && text[at] !== char && text[at] !== '\n') at += text[at] === '\\' ? 2 : 1;
      push('string', text.slice(from, at));
      at++;
    } else if (char === '`') {
      at++;
      readTemplate();
    } else if (
      wordStart.test(String.fromCodePoint(text.codePointAt(at) ?? 0)) ||
      (char === '#' && wordStart.test(text[at + 1] ?? ''))
    ) {
      const from = at++;
      while (at < text.length && wordPart.test(String.fromCodePoint(text.codePointAt(at) ?? 0))) {
        at += (text.codePointAt(at) ?? 0) > 0xffff ? 2 : 1;
      }
      push('word', text.slice(from, at));
    } else if (/[0-9]/.test(char) || (char === '.' && /[0-9]/.test(text[at + 1] ?? ''))) {
      const from = at++;
      while (
        at < text.length &&
        (/[0-9a-zA-Z_]/.test(text[at]) || (text[at] === '.' && /[0-9]/.test(text[at + 1] ?? '')))
      )
        at++;
      push('number', text.slice(from, at));
    } else if (char === '/' && isRegExpAllowed()) {
      const from = at++;
      let isClass = false;
      while (at < text.length && text[at] !== '\n' && (isClass || text[at] !== '/')) {
        if (text[at] === '\\') at++;
        else if (text[at] === '[') isClass = true;
        else if (text[at] === ']') isClass = false;
        at++;
      }
      at++;
      while (at < text.length && /[a-z]/.test(text[at])) at++;
      push('regexp', text.slice(from, at));
    } else if (char === '}' && braces.pop() === true) {
      at++;
      readTemplate();
    } else {
      if (char === '{') braces.push(false);
      if (char === '(') {
        const before = tokens.at(-1);
        const isControl = before?.kind === 'word' && ['if', 'while', 'for', 'with'].includes(before.value);
        parentheses.push(isControl && tokens.at(-2)?.value !== '.');
      }
      if (char === ')') isAfterControlHead = parentheses.pop() ?? false;
      const length = ['...', '=>', '?.', '++', '--'].find((mark) => text.startsWith(mark, at))?.length ?? 1;
      push('punctuation', text.slice(at, at + length));
      at += length;
    }
  }
  return tokens;
}
