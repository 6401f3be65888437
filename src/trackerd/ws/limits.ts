/** Bounds of the WebSocket front end: what one stranger may cost. */
export interface WsLimits {
  /** Connections in all; more are turned away (503). An idle one costs about 8 KiB and a file descriptor. */
  readonly connectionsMax: number;
  /** Connections of one IPv4 address or one IPv6 /64; more are turned away (429). Households, schools and mobile networks share an address. */
  readonly connectionsPerAddressMax: number;
  /** Characters of the path and query a connection is opened with: a passkey is short. Kept as long as the connection. */
  readonly targetCharsMax: number;
  /** Fragments of one message; clients send one. Guards memory: a fragment of a byte costs a hundred. */
  readonly fragmentsMax: number;
  /** Pieces of TCP data that one incomplete message may come in. Guards memory as above. */
  readonly chunksMax: number;
  /** Messages a second of one connection, in the long run; who sends faster is read no faster. Enough for 400 busy torrents. */
  readonly messagesPerSec: number;
  /** Messages at once: a client that has just connected announces all its torrents. */
  readonly messageBurst: number;
  /** Bytes waiting for a client to take them; with more of them it is dropped. */
  readonly unsentBytesMax: number;
  /** A ping to each connection so often, which keeps proxies from closing it (nginx: 60 s); who has said nothing since the one before is gone. */
  readonly pingEveryMs: number;
  /** How long a client has to agree to be closed. */
  readonly closeTimeoutMs: number;
}

export const wsLimits: WsLimits = {
  connectionsMax: 20_000,
  connectionsPerAddressMax: 256,
  targetCharsMax: 1_024,
  fragmentsMax: 32,
  chunksMax: 256,
  messagesPerSec: 20,
  messageBurst: 1_500,
  unsentBytesMax: 131_072,
  pingEveryMs: 45_000,
  closeTimeoutMs: 2_000,
};
