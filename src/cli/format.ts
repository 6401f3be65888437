import { stripVTControlCharacters } from 'node:util';
import { formatBytes } from '../base/index.ts';

export { formatBytes };

/** Numbers and names as people read them. Units are powers of 1024 and say so (KiB, MiB). */

/** Sizes that are often powers of two, without needless decimals: `16 KiB`, `1 MiB`, `1.50 MiB`. */
export function formatRoundBytes(bytes: number): string {
  return formatBytes(bytes).replace(/\.0+ /, ' ');
}

export function formatRate(bytesPerSec: number): string {
  return `${formatBytes(bytesPerSec)}/s`;
}

/** `1,234,567`, the same in every locale. */
export function formatCount(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ',');
}

/** `1 file`, `2 files`. */
export function formatPlural(count: number, one: string, many = `${one}s`): string {
  return `${formatCount(count)} ${count === 1 ? one : many}`;
}

/** One decimal, cut and not rounded, so that 100 % means all of it. */
export function formatPercent(done: number, total: number): string {
  if (done >= total) return '100 %';
  return `${(Math.floor((done / total) * 1000) / 10).toFixed(1)} %`;
}

/** `0 s`, `59 s`, `1 min 05 s`, `2 h 03 min`, `3 d 04 h`; `∞` for what never ends. */
export function formatDuration(seconds: number): string {
  if (!Number.isFinite(seconds)) return '∞';
  const s = Math.max(0, Math.round(seconds));
  const two = (n: number) => String(n).padStart(2, '0');
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${two(s % 60)} s`;
  if (s < 86_400) return `${Math.floor(s / 3600)} h ${two(Math.floor(s / 60) % 60)} min`;
  return `${Math.floor(s / 86_400)} d ${two(Math.floor(s / 3600) % 24)} h`;
}

/** Seconds since 1970 as `2024-05-01 12:00:00 UTC`; the bare number where no calendar has that date. */
export function formatDate(unixSeconds: number): string {
  const date = new Date(unixSeconds * 1000);
  if (Number.isNaN(date.getTime())) return String(unixSeconds);
  return `${date.toISOString().replace('T', ' ').slice(0, -5)} UTC`;
}

/**
 * Text of a stranger, made safe to show: no escape sequence, control byte or change of writing direction reaches the terminal.
 * Line breaks become spaces.
 */
export function printable(text: string): string {
  return stripVTControlCharacters(text)
    .replace(/[\r\n\t]+/g, ' ')
    .replace(/[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2028\u2029\u2066-\u2069]/g, '\u{FFFD}');
}

/** As in file names of `eider info`: paths are shown one a line. */
export function printablePath(parts: readonly string[]): string {
  return parts.map(printable).join('/');
}

const wide =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1f64f}\u{1f680}-\u{1f9ff}\u{20000}-\u{3fffd}]/u;
const zeroWidth = /[\p{Mn}\p{Me}\p{Cf}]/u;

function characterWidth(character: string): number {
  if (character < '\u0300') return 1;
  return zeroWidth.test(character) ? 0 : wide.test(character) ? 2 : 1;
}

/** Columns that `text` takes in a terminal; escape sequences take none. */
export function displayWidth(text: string): number {
  let width = 0;
  for (const character of stripVTControlCharacters(text)) width += characterWidth(character);
  return width;
}

/** Cuts to at most `columns`, marking the cut with `…`; colours are kept and closed. */
export function fitWidth(text: string, columns: number): string {
  if (displayWidth(text) <= columns) return text;
  let out = '';
  let width = 0;
  let coloured = false;
  // Pieces are escape sequences and what stands between them.
  for (const piece of text.split(/(\x1b\[[0-9;]*m)/)) {
    if (piece.startsWith('\x1b[')) {
      out += piece;
      coloured = true;
      continue;
    }
    for (const character of piece) {
      const w = characterWidth(character);
      if (width + w > columns - 1) return `${out}…${coloured ? '\x1b[0m' : ''}`;
      out += character;
      width += w;
    }
  }
  return out;
}

/** Pads with blanks to `columns`; longer text stays as it is. */
export function padWidth(text: string, columns: number): string {
  return text + ' '.repeat(Math.max(0, columns - displayWidth(text)));
}
