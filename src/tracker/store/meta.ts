// Hot path: tracker-store
import { META_CLASS_SHIFT, META_NET_SHIFT, META_SEEDERS_SHIFT, RUN_PEERS_MAX } from './layout.ts';

/** What a peer more in a run adds to its meta. */
export const ONE_LEECHER = 1;
export const ONE_SEEDER: number = 1 << META_SEEDERS_SHIFT;

/** The meta of a part with a run: layout.ts. */
export function runMeta(leechers: number, seeders: number, runClass: number, net: number): number {
  return leechers | (seeders << META_SEEDERS_SHIFT) | (runClass << META_CLASS_SHIFT) | (net << META_NET_SHIFT);
}

export function leechersOf(meta: number): number {
  return meta & RUN_PEERS_MAX;
}

export function seedersOf(meta: number): number {
  return (meta >>> META_SEEDERS_SHIFT) & RUN_PEERS_MAX;
}

/** Peers of a run. */
export function peersOf(meta: number): number {
  return (meta & RUN_PEERS_MAX) + ((meta >>> META_SEEDERS_SHIFT) & RUN_PEERS_MAX);
}

export function classOf(meta: number): number {
  return (meta >>> META_CLASS_SHIFT) & 63;
}

export function netOfMeta(meta: number): number {
  return (meta >>> META_NET_SHIFT) & 3;
}
