import {
  Bitfield,
  type ConnId,
  FRACTION_ZERO,
  type Millis,
  type PeerAddress,
  RateMeter,
  toBinaryString,
} from '../base/index.ts';
import type { BlockRef, HandshakeFlags } from '../wire/index.ts';
import { PeerDecoder } from '../wire/index.ts';
import type { PickerPeer } from './picker.ts';
import type { ActivePiece } from './piece-ledger.ts';
import { RequestPipeline } from './requests.ts';

export interface PeerOptions {
  readonly conn: ConnId;
  /** The other end of the socket. */
  readonly address: PeerAddress;
  readonly incoming: boolean;
  readonly id: Uint8Array;
  readonly client: string;
  readonly flags: HandshakeFlags;
  /** Stands for the person behind the connection in blame and bans. */
  readonly key: string;
  readonly now: Millis;
  /** Pieces of the torrent, 0 while that is not known. */
  readonly pieceCount: number;
}

/** The block whose bytes are coming in. */
export interface Arrival {
  active: ActivePiece | undefined;
  block: number;
  /** Where the next byte goes. */
  segment: Uint8Array | undefined;
  at: number;
  since: Millis;
  /** When it was asked for; undefined: it had been taken back. */
  askedAt: Millis | undefined;
  /** Nobody has asked for it. */
  isUnasked: boolean;
  /** It was asked of two peers in end-game: where it is not needed, it is one copy too many. */
  isDouble: boolean;
}

/** What the peer said it has before we knew how many pieces there are (magnet links). Bounded by the decoder's bitfield limit. */
export interface EarlyHaves {
  bits: Uint8Array | undefined;
  all: boolean;
  readonly pieces: Set<number>;
}

/** A connection as it stands between two turns: what both sides may know from the messages that went over it. */
export interface PeerStanding {
  readonly conn: ConnId;
  readonly flags: HandshakeFlags;
  readonly have: { has(piece: number): boolean };
  readonly amChoking: boolean;
  readonly amInterested: boolean;
  readonly peerChoking: boolean;
  readonly peerInterested: boolean;
  /** Our open requests. */
  readonly outstanding: { readonly size: number };
  /** Theirs. */
  readonly requests: { readonly length: number };
}

/** What a peer has before anything is put in: shared, since most peers are idle. */
const nothing = {
  outstanding: new Map<number, Millis>(),
  cancelled: new Map<number, boolean>(),
  numbers: new Set<number>(),
};

/** All that is known of one connection. Only state: what it means is decided in `messages`, `downloader` and `uploader`. */
export class Peer implements PickerPeer, PeerStanding {
  readonly conn: ConnId;
  readonly address: PeerAddress;
  readonly incoming: boolean;
  /** 20 bytes as a binary string. */
  readonly id: string;
  readonly key: string;
  readonly flags: HandshakeFlags;
  readonly decoder: PeerDecoder = new PeerDecoder();
  readonly connectedAt: Millis;
  client: string;
  /** Where others can dial it: the socket's address for peers we dialled, host and announced port for others (BEP 10 `p`). */
  listenAddress: PeerAddress | undefined;
  isClosed = false;

  amChoking = true;
  amInterested = false;
  peerChoking = true;
  peerInterested = false;
  have: Bitfield;
  early: EarlyHaves | undefined;
  /** The first message about pieces has come; a bitfield is only allowed before. */
  hasSpokenOfPieces = false;
  /** Counted in the picker's `seeds` (true) or piece by piece (false). */
  countedAsSeed = false;
  /** Had everything when we met. */
  wasSeed = false;
  /** BEP 21: wants nothing any more. */
  uploadOnly = false;
  /** Pieces it has that we still want. */
  usefulPieces = 0;

  /** BEP 10 names the peer gave to extensions; undefined before its handshake. */
  extensionIds: ReadonlyMap<string, number> | undefined;
  metadataSize: number | undefined;

  // Download
  readonly pipeline: RequestPipeline = new RequestPipeline();
  /** Block key -> when it was asked for; put in by `asked`. */
  outstanding: Omit<Map<number, Millis>, 'set'> = nothing.outstanding;
  /**
   * Requests taken back whose blocks may be on their way all the same -> somebody else was asked as well (end-game); put in by
   * `tookBack`.
   */
  cancelled: Omit<Map<number, boolean>, 'set'> = nothing.cancelled;
  current: ActivePiece | undefined;
  readonly arrival: Arrival = {
    active: undefined,
    block: 0,
    segment: undefined,
    at: 0,
    since: FRACTION_ZERO as Millis,
    askedAt: undefined,
    // A block that begins before anything can be asked for.
    isUnasked: true,
    isDouble: false,
  };
  /** Pieces it rejected while not choking us: not asked again for a while, or the two of us would go round in circles. */
  refused: Set<number> | undefined;
  refusedSince: Millis = FRACTION_ZERO as Millis;
  allowedFast: Set<number> | undefined;
  readonly down: RateMeter = new RateMeter();
  lastPayloadAt: Millis;
  /** When the last byte of a block came that it was asked for. */
  lastBlockAt: Millis | undefined;
  /** When the pipe last went from empty to not empty. */
  waitingSince: Millis;
  snubbed = false;
  snubCount = 0;
  unaskedBytes = 0;
  /** Nothing to ask it for, since this state of the ledger; asked again when the state has changed. */
  dryAt = -1;
  /** When it was last considered for what others have owed for long. */
  soughtOwedAt: Millis = FRACTION_ZERO as Millis;

  // Upload
  readonly requests: BlockRef[] = [];
  readonly up: RateMeter = new RateMeter();
  /** Tickets of views that are at its socket; put in by `lend`. */
  lent: Omit<Set<number>, 'add'> = nothing.numbers;
  lentBytes = 0;
  /** When a view last came back, or the first of those was lent that are there now. */
  lastWrittenAt: Millis;
  refusedCount = 0;
  /** The head of its queue is being read. */
  waitsForRun = false;
  /** Its queue waits for a read buffer. */
  waitsForRoom = false;
  /** Pieces we serve while choking it (BEP 6). */
  grantedFast: Set<number> | undefined;

  // Housekeeping
  lastReceivedAt: Millis;
  lastSentAt: Millis;
  /** Control messages of this turn. */
  readonly out: Uint8Array[] = [];
  outBytes = 0;
  /** Control bytes given to the socket of which it is not known that they have left. */
  unwrittenBytes = 0;
  /** Ticket of the write whose return says so for the first `markedBytes` of them. */
  mark: number | undefined;
  markedBytes = 0;
  /** Messages in the current accounting second: floods are cut. */
  controlCount = 0;
  controlSince: Millis;
  /** Blocks of a full piece: what makes one number of piece and block. */
  blocksPerPiece = 1;

  constructor(options: PeerOptions) {
    this.conn = options.conn;
    this.address = options.address;
    this.incoming = options.incoming;
    this.id = toBinaryString(options.id);
    this.client = options.client;
    this.flags = options.flags;
    this.key = options.key;
    this.have = new Bitfield(options.pieceCount);
    this.connectedAt = options.now;
    this.lastPayloadAt = options.now;
    this.waitingSince = options.now;
    this.lastReceivedAt = options.now;
    this.lastSentAt = options.now;
    this.lastWrittenAt = options.now;
    this.controlSince = options.now;
    this.listenAddress = options.incoming ? undefined : options.address;
  }

  /** Has everything, or wants nothing more: never given an upload slot. */
  get isSeed(): boolean {
    return this.have.size > 0 && this.have.isFull;
  }

  asked(key: number, at: Millis): void {
    const own = this.outstanding === nothing.outstanding ? new Map<number, Millis>() : this.outstanding;
    this.outstanding = (own as Map<number, Millis>).set(key, at);
  }
  tookBack(key: number, isDouble: boolean): void {
    const own = this.cancelled === nothing.cancelled ? new Map<number, boolean>() : this.cancelled;
    this.cancelled = (own as Map<number, boolean>).set(key, isDouble);
  }
  lend(ticket: number): void {
    this.lent = add(this.lent, ticket);
  }

  hasAsked(piece: number, block: number): boolean {
    return this.outstanding.has(piece * this.blocksPerPiece + block);
  }
}

function add(to: Omit<Set<number>, 'add'>, value: number): Omit<Set<number>, 'add'> {
  const own = to === nothing.numbers ? new Set<number>() : to;
  return (own as Set<number>).add(value);
}
