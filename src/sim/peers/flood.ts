import { concatBytes } from '../../base/index.ts';
import { BLOCK_LENGTH } from '../../metainfo/index.ts';
import { encodeMessage } from '../../wire/index.ts';
import type { LinkState, PeerView } from './peer-view.ts';

const STEP_MS = 50;
/** A flooder that is not read stops at this much, or the simulation would hold all it has to say. */
const QUEUE_BYTES_MAX = 1_048_576;

/** Begins to flood a connection, where the peer's traits say so; goes on until it ends. */
export function startFlood(peer: PeerView, state: LinkState): void {
  const { flood, floodPerSec } = peer.traits;
  if (flood === 'none' || floodPerSec === 0) return;
  let owed = 0;
  let turn = 0;
  const step = () => {
    if (!state.link.isOpen) return;
    owed += (floodPerSec * STEP_MS) / 1000;
    const count = Math.floor(owed);
    owed -= count;
    if (state.link.queuedBytes < QUEUE_BYTES_MAX) sendSome(peer, state, { count, turn });
    turn += count;
    peer.world.after(STEP_MS, 'peer.flood', step);
  };
  if (flood === 'requests') state.link.send({ kind: 'interested' });
  peer.world.after(STEP_MS, 'peer.flood', step);
}

/** @param turn messages sent so far, for those that take turns */
function sendSome(peer: PeerView, { link }: LinkState, { count, turn }: { count: number; turn: number }): void {
  const { rng, torrent, traits } = peer;
  const { geometry } = torrent;
  const parts: Uint8Array[] = [];
  for (let i = 0; i < count; i++) {
    const piece = rng.below(geometry.pieceCount);
    const begin = rng.below(geometry.blockCount(piece)) * BLOCK_LENGTH;
    const length = Math.max(1, geometry.blockBytes(piece, begin / BLOCK_LENGTH));
    if (traits.flood === 'requests') parts.push(encodeMessage({ kind: 'request', piece, begin, length }));
    else if (traits.flood === 'cancels') parts.push(encodeMessage({ kind: 'cancel', piece, begin, length }));
    else if (traits.flood === 'haves') parts.push(encodeMessage({ kind: 'have', piece: 0 }));
    else if (traits.flood === 'false-haves') parts.push(encodeMessage({ kind: 'have', piece }));
    else if (traits.flood === 'chokes') parts.push(encodeMessage({ kind: (turn + i) % 2 === 0 ? 'unchoke' : 'choke' }));
    else if (traits.flood === 'interest') {
      parts.push(encodeMessage({ kind: (turn + i) % 2 === 0 ? 'interested' : 'not-interested' }));
    } else if (traits.flood === 'keep-alives') parts.push(encodeMessage({ kind: 'keep-alive' }));
    else if (traits.flood === 'blocks') {
      peer.sentBytes += length;
      link.sendBlock(piece, begin, rng.bytes(length));
    }
  }
  if (parts.length > 0) link.sendBytes(concatBytes(parts));
}
