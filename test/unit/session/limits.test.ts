import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LimitedSession } from '../../support/limited-session.ts';

const KIB = 1_024;
const MIB = 1_024 * KIB;

const near = (actual: number, expected: number, share: number, what: string) =>
  assert.ok(Math.abs(actual - expected) <= expected * share, `${what}: ${Math.round(actual)} instead of ${expected}`);

/** Jain's index of equal demands: 1 where all got the same, 1/n where one got all. */
function fairness(got: readonly number[]): number {
  const sum = got.reduce((a, b) => a + b, 0);
  const squares = got.reduce((a, b) => a + b * b, 0);
  return squares === 0 ? 1 : (sum * sum) / (got.length * squares);
}

const directions = ['upload', 'download'] as const;
const rates = [64 * KIB, 300 * KIB, MIB, 20 * MIB, 100 * MIB];

for (const direction of directions) {
  for (const rate of rates) {
    for (const [torrents, peers] of [
      [1, 1],
      [1, 4],
      [3, 3],
    ] as const) {
      // Moving a gigabyte for each case would take too long.
      if (rate > 20 * MIB && peers !== 4) continue;
      test(`${direction} of ${rate / KIB} KiB/s, ${torrents} torrents of ${peers} peers: within 3 % in any 10 s, fair in any 10 s`, () => {
        const place = new LimitedSession({ torrents, peers, [direction]: rate });
        place.run('3s');
        const { windows, shares } = place.measure(direction, rate > MIB ? '11s' : '30s');
        for (const bytes of windows) near(bytes / 10, rate, 0.03, '10 s');
        for (const got of shares) {
          const byTorrent = Array.from({ length: torrents }, (_, t) =>
            got.slice(t * peers, (t + 1) * peers).reduce((a, b) => a + b),
          );
          assert.ok(fairness(byTorrent) >= 0.95, `torrents: ${byTorrent}`);
          assert.ok(fairness(got) >= 0.95, `peers: ${got}`);
        }
        assert.deepEqual(place.stop(), []);
      });
    }
  }

  test(`${direction}: many peers share a low limit`, () => {
    const place = new LimitedSession({ torrents: 1, peers: 8, [direction]: 300 * KIB });
    place.run('10s');
    const { windows, shares } = place.measure(direction, '20s');
    for (const bytes of windows) near(bytes / 10, 300 * KIB, 0.03, '10 s');
    for (const got of shares) assert.ok(fairness(got) >= 0.95, `${got}`);
  });

  test(`${direction}: limits change in the middle, of the session and of a torrent`, () => {
    const place = new LimitedSession({ torrents: 2, peers: 2, [direction]: 8 * MIB });
    place.run('5s');
    const rate = () => {
      place.run('1s');
      return place.measure(direction, '10s').windows[0] as number;
    };
    near(rate() / 10, 8 * MIB, 0.03, 'first');
    place.setRates({ [direction]: 128 * KIB });
    near(rate() / 10, 128 * KIB, 0.03, 'much lower');
    place.setRates({ [direction]: 2 * MIB });
    near(rate() / 10, 2 * MIB, 0.03, 'higher');
    // One torrent has a limit of its own: what it may not use goes to the other.
    place.setRates({ [direction]: 256 * KIB }, 0);
    place.run('1s');
    const shares = place.measure(direction, '10s').shares[0] as number[];
    const sum = (from: number) => (shares[from] as number) + (shares[from + 1] as number);
    near(sum(0) / 10, 256 * KIB, 0.03, 'the limited torrent');
    near((sum(0) + sum(2)) / 10, 2 * MIB, 0.03, 'both');
    place.setRates({ [direction]: 0 });
    place.run('1s');
    assert.equal(place.measure(direction, '10s').windows[0], 0);
    place.setRates({ [direction]: 4 * MIB });
    place.setRates({ [direction]: Number.POSITIVE_INFINITY }, 0);
    place.run('5s');
    near(rate() / 10, 4 * MIB, 0.03, 'last');
    assert.deepEqual(place.stop(), []);
  });

  test(`${direction}: what a slow peer cannot use goes to the others, and it gets all it can use`, () => {
    const slow = 20 * KIB;
    const place = new LimitedSession({ torrents: 1, peers: 4, [direction]: 400 * KIB, slow: { peer: 0, rate: slow } });
    place.run('20s');
    const { windows, shares } = place.measure(direction, '20s');
    for (const bytes of windows) near(bytes / 10, 400 * KIB, 0.03, '10 s');
    for (const [first = 0, ...others] of shares) {
      // Counted as blocks go to its socket, which takes several at a time.
      assert.ok(first >= slow * 10 - 2 * 16_384 && first <= slow * 10 + 6 * 16_384, `the slow one: ${first}`);
      assert.ok(fairness(others) >= 0.95, `${others}`);
    }
  });

  test(`${direction}: a torrent that begins later gets its share at once, and no more`, () => {
    const place = new LimitedSession({ torrents: 2, peers: 2, [direction]: MIB, late: 1 });
    place.run('30s');
    place.join(1);
    place.run('3s');
    const { windows, shares } = place.measure(direction, '10s');
    near((windows[0] as number) / 10, MIB, 0.03, 'sum');
    assert.ok(fairness(shares[0] as number[]) >= 0.95, `${shares[0]}`);
  });
}
