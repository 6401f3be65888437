/**
 * Why a torrent rests: the user paused it, nobody needs it now (dormant), all places for active downloads or seeds are taken, or it had a
 * place, nothing came, and others have their turn.
 */
export type RestReason = 'paused' | 'idle' | 'active-downloads' | 'active-seeds' | 'stalled';
