import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { addMs, BtError, type ConnId, type Millis, NEVER, type PeerAddress, type TorrentId } from '#base';
import { DiskPool, InlineDisk, NodeLoop, type TrackerCalls, TrackerClient } from '#node';
import type { AnnounceResult, SwarmInputs, SwarmPorts } from '#swarm';
import type { AnnounceRequest } from '#wire';
import { makeTempFolder } from '../../support/temp-folder.ts';
import { makeTorrent } from '../../support/torrents.ts';

type Input = readonly [name: string, ...args: unknown[]];

/** Writes down every input; what a test wants to do about one it puts into `on`. */
class Recorder {
  readonly log: Input[] = [];
  readonly on: Record<string, (...args: never[]) => unknown> = {};
  lastNow = 0;
  #waiting: (() => void)[] = [];

  readonly inputs: SwarmInputs = new Proxy({} as SwarmInputs, {
    get:
      (_, name: string) =>
      (now: Millis, ...args: unknown[]): unknown => {
        assert.ok(now >= this.lastNow, 'time never goes back');
        this.lastNow = now;
        // Bytes are borrowed.
        this.log.push([name, ...args.map((a) => (a instanceof Uint8Array ? a.slice() : a))]);
        for (const wake of this.#waiting.splice(0)) queueMicrotask(wake);
        return this.on[name]?.(...([now, ...args] as never[]));
      },
  });

  async until(name: string, count = 1): Promise<Input> {
    for (;;) {
      const found = this.log.filter((input) => input[0] === name);
      if (found.length >= count) return found[count - 1] as Input;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }
}

const noTrackers: TrackerCalls = {
  announce: () => Promise.reject(new Error('not expected')),
  scrape: () => Promise.reject(new Error('not expected')),
};

function makeLoop(t: TestContext, trackers: TrackerCalls = noTrackers): { loop: NodeLoop; recorder: Recorder } {
  const folder = makeTempFolder(t);
  const loop = new NodeLoop({ disk: new InlineDisk({ folderOf: () => folder }), trackers });
  const recorder = new Recorder();
  loop.attach(recorder.inputs);
  t.after(() => loop.shutdown());
  return { loop, recorder };
}

const conn = (n: number): ConnId => n as ConnId;
const torrent = 1 as TorrentId;
const request = { infoHash: new Uint8Array(20) } as unknown as AnnounceRequest;

describe('the loop', () => {
  test('carries a conversation between two connections', async (t) => {
    const { loop, recorder } = makeLoop(t);
    recorder.on['onIncoming'] = (_now: Millis, from: PeerAddress) => {
      assert.equal(from.host, '127.0.0.1');
      return conn(2);
    };
    const listener = await loop.listen({ host: '127.0.0.1', port: 0 });
    loop.dial(conn(1), listener.address);
    assert.equal(recorder.log.length, 0, 'nothing comes while the call runs');
    await recorder.until('onConnected');
    loop.write(conn(1), Uint8Array.of(1, 2));
    loop.writePayload(conn(1), Uint8Array.of(3), 9);
    const [, to, bytes] = await recorder.until('onBytes');
    assert.deepEqual([to, bytes], [2, Uint8Array.of(1, 2, 3)], 'one turn, one write');
    assert.deepEqual(await recorder.until('onWritten'), ['onWritten', 1, 9]);
    loop.close(conn(2), { code: 'test/over' });
    assert.deepEqual(await recorder.until('onClosed'), ['onClosed', 1, { code: 'net/closed' }]);
    assert.equal(recorder.log.filter(([name]) => name === 'onClosed').length, 1, 'who closes hears nothing');
  });

  test('drops a peer that the brain does not want', async (t) => {
    const { loop, recorder } = makeLoop(t);
    const listener = await loop.listen({ host: '127.0.0.1', port: 0 });
    loop.dial(conn(1), listener.address);
    await recorder.until('onClosed');
    assert.ok(recorder.log.some(([name]) => name === 'onIncoming'));
  });

  test('a dial to a name or a bad port fails on a later turn', async (t) => {
    const { loop, recorder } = makeLoop(t);
    loop.dial(conn(1), { host: 'localhost', port: 80 });
    loop.dial(conn(2), { host: '127.0.0.1', port: 70_000 });
    assert.equal(recorder.log.length, 0);
    assert.deepEqual(await recorder.until('onClosed', 2), ['onClosed', 2, { code: 'net/bad-address' }]);
  });

  test('wakes at the last time asked for, once, and not before', async (t) => {
    const { loop, recorder } = makeLoop(t);
    loop.wakeAt(addMs(loop.now(), 5));
    loop.wakeAt(NEVER);
    const at = addMs(loop.now(), 30);
    loop.wakeAt(addMs(at, 60_000));
    loop.wakeAt(at);
    await recorder.until('onWake');
    assert.ok(loop.now() >= at);
    loop.wakeAt(addMs(loop.now(), -5));
    assert.equal(recorder.log.length, 1, 'the past is later, too');
    await recorder.until('onWake', 2);
    assert.equal(recorder.log.length, 2);
  });

  test('a port that calls back at once is a bug that is found', (t) => {
    const { loop, recorder } = makeLoop(t);
    recorder.on['onWake'] = () => loop.input((inputs, now) => inputs.onWake(now));
    assert.throws(() => loop.input((inputs, now) => inputs.onWake(now)), /no input inside an input/);
    delete recorder.on['onWake'];
    loop.input((inputs, now) => inputs.onWake(now));
  });

  test('trackers: answers and failures come as inputs, with the request', async (t) => {
    const answer: AnnounceResult = { ok: false, error: new BtError('tracker/timeout', { url: 'u' }) };
    const { loop, recorder } = makeLoop(t, {
      announce: (url) => (url === 'bad' ? Promise.reject(new Error('odd')) : Promise.resolve(answer)),
      scrape: () => Promise.resolve({ ok: true, complete: 1, incomplete: 2, downloaded: 3 }),
    });
    loop.announce(torrent, 'good', request);
    assert.equal(recorder.log.length, 0);
    assert.deepEqual(await recorder.until('onAnnounced'), ['onAnnounced', torrent, 'good', request, answer]);
    loop.announce(torrent, 'bad', request);
    const result = (await recorder.until('onAnnounced', 2))[4] as AnnounceResult;
    assert.ok(!result.ok && result.error.code === 'tracker/unreachable');
    loop.scrape(torrent, 'good', new Uint8Array(20));
    assert.deepEqual((await recorder.until('onScraped'))[3], { ok: true, complete: 1, incomplete: 2, downloaded: 3 });
  });

  test('shutdown tells trackers, delivers nothing more, leaves nothing open', async (t) => {
    const folder = makeTempFolder(t);
    const before = process.getActiveResourcesInfo().filter((name) => name !== 'Timeout' && name !== 'Immediate').length;
    let isAborted = false;
    const loop = new NodeLoop({
      disk: new DiskPool({ folderOf: () => folder }),
      trackers: {
        ...noTrackers,
        announce: (_url, _request, { signal }) =>
          new Promise((_, reject) => {
            signal.addEventListener('abort', () => {
              isAborted = true;
              reject(signal.reason as Error);
            });
          }),
      },
    });
    const recorder = new Recorder();
    loop.attach(recorder.inputs);
    recorder.on['onIncoming'] = () => conn(2);
    const listener = await loop.listen({ host: '127.0.0.1', port: 0 });
    loop.dial(conn(1), listener.address);
    await recorder.until('onConnected');
    const { info } = makeTorrent({ files: { '': 100 } }).torrent;
    loop.openStore(torrent, { info, wanted: [true] });
    await recorder.until('onStoreOpened');
    loop.announce(torrent, 'slow', request);
    loop.wakeAt(addMs(loop.now(), 60_000));
    await loop.shutdown();
    await loop.shutdown();
    const count = recorder.log.length;
    assert.equal(isAborted, true);
    await new Promise(setImmediate);
    assert.equal(recorder.log.length, count);
    const open = process.getActiveResourcesInfo().filter((name) => name !== 'Timeout' && name !== 'Immediate');
    // Not equal: other tests of this process may have ended theirs meanwhile.
    assert.ok(open.length <= before, open.join(', '));
  });

  test('takes the real tracker client, and is the ports of a session', async (t) => {
    const folder = makeTempFolder(t);
    const disk = new InlineDisk({ folderOf: () => folder });
    const loop: NodeLoop & SwarmPorts = new NodeLoop({ disk, trackers: new TrackerClient() });
    await loop.shutdown();
  });
});
