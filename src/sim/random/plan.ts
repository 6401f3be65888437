import type { TorrentFormat } from '../../metainfo/index.ts';
import type { LineName } from '../net/line.ts';
import type { PeerKind, PeerTraits } from '../peers/traits.ts';
import type { TrackerMood } from '../tracker.ts';

/**
 * A random swarm as plain data: who takes part, and what goes wrong when. Made from a seed (`drawPlan`), run by `runPlan`, made smaller
 * by `shrinkPlan`. Times are virtual milliseconds from the start.
 */
export interface SwarmPlan {
  /** Seed of the world; the plan itself may have been drawn from it and made smaller since. */
  readonly seed: number;
  readonly torrent: {
    readonly format: TorrentFormat;
    /** Bytes of each file. */
    readonly files: readonly number[];
    readonly pieceLength: number;
    readonly isPrivate: boolean;
  };
  readonly trackerCount: number;
  readonly members: readonly MemberPlan[];
  readonly troubles: readonly Trouble[];
}

export type MemberPlan = ClientPlan | ScriptedPlan;

/** A real session. */
export interface ClientPlan {
  readonly kind: 'client';
  /** Names it in troubles and reports. */
  readonly name: string;
  readonly startMs: number;
  readonly line: LineName;
  readonly isFirewalled: boolean;
  /** Share of pieces on its disk when it starts. */
  readonly hasShare: number;
  readonly isMagnet: boolean;
  /** By file; all where left out. */
  readonly wanted?: readonly boolean[];
  /** Bytes per second. */
  readonly uploadLimit?: number;
  readonly downloadLimit?: number;
  readonly connsMax?: number;
  /** Budget of piece buffers, bytes. */
  readonly pieceBytesMax?: number;
  readonly isDiskSlow: boolean;
}

/** A scripted peer. */
export interface ScriptedPlan {
  readonly kind: PeerKind;
  readonly name: string;
  readonly startMs: number;
  readonly line: LineName;
  readonly traits?: Partial<PeerTraits>;
}

/** `atMs`: when it begins; `forMs`: how long it lasts. `who`: the name of a client. */
export type Trouble =
  /** The user stops the client, for good. */
  | { readonly kind: 'leave'; readonly who: string; readonly atMs: number }
  /** The user stops the client and starts it again. */
  | { readonly kind: 'pause'; readonly who: string; readonly atMs: number; readonly forMs: number }
  /** kill -9 or a power cut, and a restart. */
  | {
      readonly kind: 'kill';
      readonly who: string;
      readonly how: 'process' | 'power';
      readonly atMs: number;
      readonly forMs: number;
    }
  /** These, clients or scripted, hear only each other, and the trackers only the rest. */
  | { readonly kind: 'partition'; readonly who: readonly string[]; readonly atMs: number; readonly forMs: number }
  /** Random connections are reset, or die in silence, one every `everyMs`. */
  | {
      readonly kind: 'reset' | 'darken';
      readonly atMs: number;
      readonly forMs: number;
      readonly everyMs: number;
    }
  | { readonly kind: 'dial-failures'; readonly rate: number; readonly atMs: number; readonly forMs: number }
  | {
      readonly kind: 'tracker';
      readonly tracker: number;
      readonly mood: TrackerMood;
      readonly atMs: number;
      readonly forMs: number;
    }
  /** Random input/output errors. */
  | {
      readonly kind: 'disk-errors';
      readonly who: string;
      readonly readRate: number;
      readonly writeRate: number;
      readonly atMs: number;
      readonly forMs: number;
    }
  /** One file answers with errors. */
  | {
      readonly kind: 'file-broken';
      readonly who: string;
      readonly file: number;
      readonly atMs: number;
      readonly forMs: number;
    }
  /** There is room for so many bytes more. */
  | {
      readonly kind: 'disk-full';
      readonly who: string;
      readonly leftBytes: number;
      readonly atMs: number;
      readonly forMs: number;
    }
  /** Bits are wrong and nobody says so. */
  | {
      readonly kind: 'flips';
      readonly who: string;
      readonly on: 'read' | 'write';
      readonly rate: number;
      readonly atMs: number;
      readonly forMs: number;
    }
  | { readonly kind: 'read-only' | 'open-fails'; readonly who: string; readonly atMs: number; readonly forMs: number }
  /**
   * Somebody else cuts a file down to this share, or deletes it (0). Under a client that seeds while it runs, until its user restarts it;
   * under another while it does not run.
   */
  | {
      readonly kind: 'file-cut';
      readonly who: string;
      readonly file: number;
      readonly toShare: number;
      readonly atMs: number;
      readonly forMs: number;
    }
  /** The wall clock of everybody jumps. */
  | { readonly kind: 'clock'; readonly byMs: number; readonly atMs: number }
  /** The user changes the limits; undefined = none. */
  | {
      readonly kind: 'rates';
      readonly who: string;
      readonly upload: number | undefined;
      readonly download: number | undefined;
      readonly atMs: number;
    }
  /** The user has all data hashed again. */
  | { readonly kind: 'recheck'; readonly who: string; readonly atMs: number }
  /** A reader waits for a piece. */
  | { readonly kind: 'urgent'; readonly who: string; readonly piece: number; readonly atMs: number };

/** When the last trouble is over. */
export function troubleEndMs(plan: SwarmPlan): number {
  const starts = plan.members.map((member) => member.startMs);
  const ends = plan.troubles.map((trouble) => trouble.atMs + ('forMs' in trouble ? trouble.forMs : 0));
  return Math.max(0, ...starts, ...ends);
}

/** Whether a trouble concerns this member. */
export function concerns(trouble: Trouble, name: string): boolean {
  if (!('who' in trouble)) return false;
  return typeof trouble.who === 'string' ? trouble.who === name : trouble.who.includes(name);
}
