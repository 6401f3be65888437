import assert from 'node:assert/strict';
import { test } from 'node:test';
import { JsonEvents } from '#room/cli/json-events';
import { formatBar, type Status, StatusView } from '#room/cli/render';

test('JSON events are one compact line each and begin with version and name', () => {
  let out = '';
  const events = new JsonEvents((line) => {
    out += line;
  });
  events.emit('listening', { host: '::1', port: 6881, protocol: 'tcp' });
  events.emit('done');
  assert.equal(out, '{"v":1,"event":"listening","host":"::1","port":6881,"protocol":"tcp"}\n{"v":1,"event":"done"}\n');
});

test('progress events come twice a second at most, other events always', () => {
  let now = 1000;
  const lines: string[] = [];
  const events = new JsonEvents(
    (line) => lines.push(line),
    () => now,
  );
  for (; now < 3000; now += 10) events.progress(() => ({ at: now }));
  events.emit('done');
  assert.deepEqual(
    lines.map((l) => JSON.parse(l).at),
    [1000, 1500, 2000, 2500, undefined],
  );
});

function recordingScreen(isTTY: boolean, columns = 40) {
  const written: string[] = [];
  return { isTTY, columns, written, write: (text: string) => written.push(text) };
}

function status(state: string, ...lines: string[]): Status {
  return { state, lines: () => lines, plain: () => `${state} ${lines.join(' ')}` };
}

test('a terminal is redrawn in place, ten times a second at most', () => {
  const screen = recordingScreen(true, 21);
  let now = 0;
  const view = new StatusView({ screen, now: () => now, redraw: true });
  view.show(status('a', 'one', 'two'));
  now = 50;
  view.show(status('a', 'three', 'four'));
  assert.deepEqual(screen.written, ['\rone\x1b[K\ntwo\x1b[K\x1b[J']);
  now = 100;
  view.show(status('a', 'x'.repeat(30)));
  assert.equal(screen.written[1], `\r\x1b[1A${'x'.repeat(19)}…\x1b[K\x1b[J`);
  view.note('said');
  assert.deepEqual(screen.written.slice(2, 4), ['\r\x1b[J', 'said\n']);
  view.close('erase');
  assert.equal(screen.written.at(-1), '\r\x1b[J');
});

test('a log gets a line every ten seconds and one at each change of state', () => {
  const screen = recordingScreen(false);
  let now = 0;
  const view = new StatusView({ screen, now: () => now });
  for (; now <= 25_000; now += 500) view.show(status(now < 12_000 ? 'checking' : 'downloading', `${now}`));
  view.close('keep');
  assert.deepEqual(screen.written, ['checking 0\n', 'checking 10000\n', 'downloading 12000\n', 'downloading 22000\n']);
});

test('bars are as wide as asked for', () => {
  assert.equal(formatBar(0, 4), '░░░░');
  assert.equal(formatBar(0.5, 4), '██░░');
  assert.equal(formatBar(0.56, 4), '██▏░');
  assert.equal(formatBar(2, 4), '████');
  assert.equal([...formatBar(1 / 3, 10)].length, 10);
});
