import { aria2 } from './aria2.ts';
import type { Competitor } from './compare-programs.ts';
import { eiderProgram } from './eider.ts';
import { libtorrent } from './libtorrent.ts';
import type { Usage } from './meter.ts';
import type { OtherNode } from './other-node.ts';
import type { TransferProgram } from './program.ts';
import { runTransfer } from './run-transfer.ts';
import { transmission } from './transmission.ts';

/** Names of figures: the keys in JSON files and the columns of tables. */
export const figure = {
  wall: 'wall s',
  rate: 'MB/s',
  cpu: 'CPU-s/GiB',
  user: 'user s/GiB',
  system: 'system s/GiB',
  peak: 'peak MiB',
  own: 'own MiB',
} as const;

export const clients: readonly TransferProgram[] = [eiderProgram(), libtorrent, aria2, transmission];

/** The same client on another Node. */
export function eiderOn({ path, toName }: OtherNode): TransferProgram {
  return eiderProgram({ name: toName('eider'), program: path });
}

const GIB = 2 ** 30;

/** A transfer in which the program named in the row plays one role, and whose usage is told. */
export function transferAs(
  role: 'seeder' | 'leecher',
  program: TransferProgram,
  { other, leechers = 1 }: { readonly other: TransferProgram; readonly leechers?: number },
): Competitor {
  return {
    name: program.name,
    ...(program.isSlow === undefined ? {} : { isSlow: program.isSlow }),
    missing: (plan) => {
      const reason = other.missing(plan);
      return reason === undefined ? program.missing(plan) : `${other.name}, the other side, is ${reason}`;
    },
    run: async ({ content, folder }) => {
      const [seeder, leecher] = role === 'seeder' ? [program, other] : [other, program];
      const result = await runTransfer({ content, folder, seeder, leecher, leechers });
      return toFigures(result.seconds, result[role], content.bytes * (role === 'leecher' ? leechers : 1));
    },
  };
}

/** Transfers between members that all run the same program: usage of all of them together. */
export function transferToItself(program: TransferProgram, leechers: number): Competitor {
  return {
    name: program.name,
    ...(program.isSlow === undefined ? {} : { isSlow: program.isSlow }),
    missing: (plan) =>
      program.missing(plan) ?? (program.isDialled ? 'not able to dial itself on one machine' : undefined),
    run: async ({ content, folder }) => {
      const { seconds, seeder, leecher } = await runTransfer({
        content,
        folder,
        seeder: program,
        leecher: program,
        leechers,
      });
      const all: Usage = {
        userSec: seeder.userSec + leecher.userSec,
        systemSec: seeder.systemSec + leecher.systemSec,
        peakMib: Math.max(seeder.peakMib, leecher.peakMib),
        ownMib: Math.max(seeder.ownMib, leecher.ownMib),
      };
      return toFigures(seconds, all, content.bytes * leechers);
    },
  };
}

/** @param bytes that were moved: CPU time is told by these */
export function toFigures(seconds: number, usage: Usage, bytes: number): Record<string, number> {
  const perGib = GIB / bytes;
  return {
    [figure.wall]: seconds,
    [figure.rate]: bytes / 1e6 / seconds,
    [figure.cpu]: (usage.userSec + usage.systemSec) * perGib,
    [figure.user]: usage.userSec * perGib,
    [figure.system]: usage.systemSec * perGib,
    [figure.peak]: usage.peakMib,
    [figure.own]: usage.ownMib,
  };
}
