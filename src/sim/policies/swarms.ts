import type { Policies } from '../../swarm/index.ts';
import type { SimClient } from '../client.ts';
import { type Line, lines } from '../net/line.ts';
import { isWholeTogether } from '../scenarios/scenario.ts';
import type { SimSwarm } from '../swarm.ts';
import type { MadeUpTorrent } from '../torrents.ts';

const KIB = 1024;

/** Content of every swarm here: enough for several rounds of choking on these lines. */
export const judgedTorrent: Partial<MadeUpTorrent> = { files: 8 * 1024 * KIB, pieceLength: 32 * KIB };

/** Lines on which the content takes a minute and more, as real ones take for real content. Up and down in KiB/s. */
const home: Line = { ...lines.cable, upBytesPerSec: 128 * KIB, downBytesPerSec: 1024 * KIB };
const fast: Line = { ...lines.cable, upBytesPerSec: 512 * KIB, downBytesPerSec: 2048 * KIB };
const thin: Line = { ...lines.dsl, upBytesPerSec: 64 * KIB, downBytesPerSec: 512 * KIB };
const mobile: Line = { ...lines.mobile, upBytesPerSec: 64 * KIB, downBytesPerSec: 256 * KIB };
const distant: Line = { ...lines.satellite, upBytesPerSec: 128 * KIB, downBytesPerSec: 1024 * KIB };

/** Who takes part. */
export interface Members {
  readonly seeds: readonly SimClient[];
  /** Download, and give what they can. */
  readonly contributors: readonly SimClient[];
  /** Download, and give nothing. */
  readonly riders: readonly SimClient[];
  /** By contributor: upload of his line, bytes per second. */
  readonly upBytesPerSec: readonly number[];
}

/** A swarm in which variants are compared. */
export interface JudgedSwarm {
  readonly name: string;
  readonly about: string;
  /** Nobody lies, leaves or rides free, so nothing explains waste but our own requests. */
  readonly isHonest: boolean;
  /** Sets it up and runs it until everybody is done. */
  run(w: SimSwarm, policies: Partial<Policies>): Members;
}

/** What a downloader does who gives nothing: nobody ever has a slot at him. */
const givesNothing = { slots: () => 0 };

function members(w: SimSwarm, kinds: readonly (readonly [count: number, line: Line])[]): Omit<Members, 'seeds'> {
  const contributors = kinds.flatMap(([count, line]) => w.leechers(count, { line }));
  const upBytesPerSec = kinds.flatMap(([count, line]) => Array.from({ length: count }, () => line.upBytesPerSec));
  return { contributors, upBytesPerSec, riders: [] };
}

function leaveWhenDone(w: SimSwarm, client: SimClient): void {
  client.onEvent = ({ type }) => {
    // Not inside the input that tells of it.
    if (type === 'done') w.after('0s', () => client.stop());
  };
}

export const judgedSwarms: readonly JudgedSwarm[] = [
  {
    name: 'equal',
    about: '1 fast seed and 19 downloaders on equal home lines',
    isHonest: true,
    run(w) {
      const seeds = w.seeders(1, { line: fast });
      const all = { seeds, ...members(w, [[19, home]]) };
      w.until(w.done, '30m');
      return all;
    },
  },
  {
    name: 'mixed',
    about: '2 seeds and 48 downloaders on lines from 64 to 512 KiB/s up',
    isHonest: true,
    run(w) {
      const seeds = w.seeders(2, { line: home });
      const all = {
        seeds,
        ...members(w, [
          [10, fast],
          [24, home],
          [10, thin],
          [4, mobile],
        ]),
      };
      w.until(w.done, '60m');
      return all;
    },
  },
  {
    name: 'flash crowd',
    about: '1 seed of 64 KiB/s, and 30 downloaders who come at once',
    isHonest: true,
    run(w) {
      const seeds = w.seeders(1, { line: thin });
      const all = { seeds, ...members(w, [[30, home]]) };
      w.until(w.done, '60m');
      return all;
    },
  },
  {
    name: 'free riders',
    about: '1 fast seed, 14 who give and go when they are done, and 6 who give nothing, on equal home lines',
    isHonest: false,
    run(w, policies) {
      const seeds = w.seeders(1, { line: fast });
      const all = { seeds, ...members(w, [[14, home]]) };
      for (const client of all.contributors) leaveWhenDone(w, client);
      const riders = w.leechers(6, { line: home, policies: { ...policies, ...givesNothing } });
      w.until(w.done, '60m');
      return { ...all, riders };
    },
  },
  {
    name: 'seed leaves',
    about: '1 seed that leaves when its 15 downloaders have one copy together',
    isHonest: false,
    run(w) {
      const seeds = w.seeders(1, { line: home });
      const all = { seeds, ...members(w, [[15, home]]) };
      w.until(() => isWholeTogether(w, all.contributors), '30m');
      for (const seed of seeds) seed.stop();
      w.until(w.done, '30m');
      return all;
    },
  },
  {
    name: 'high latency',
    about: '1 seed and 9 downloaders behind satellites, 1.2 s round trip and lossy',
    isHonest: true,
    run(w) {
      const seeds = w.seeders(1, { line: distant });
      const all = { seeds, ...members(w, [[9, distant]]) };
      w.until(w.done, '60m');
      return all;
    },
  },
];
