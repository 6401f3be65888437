// Hot path: transport
import { assert, type ConnId, type PeerAddress } from '../base/index.ts';
import type { NetPort } from '../swarm/index.ts';
import type { CloseReason } from '../wire/index.ts';
import type { ByteStream, StreamHandlers, Transport } from './transport.ts';
import type { Turn } from './turn.ts';

/** Gives byte streams their names: turns calls about a ConnId into calls on its stream, and what streams tell into inputs. */
export class Connections implements NetPort {
  readonly #transport: Transport;
  readonly #turn: Turn;
  /** Connections the brain may still hear of; closed ones leave at once and live on only to return lent views. */
  readonly #open = new Map<ConnId, Connection>();

  constructor(options: { transport: Transport; turn: Turn }) {
    this.#transport = options.transport;
    this.#turn = options.turn;
  }

  get count(): number {
    return this.#open.size;
  }

  dial(conn: ConnId, to: PeerAddress): void {
    const connection = new Connection(conn, this.#turn, this.#open);
    this.#add(connection);
    connection.stream = this.#transport.dial(to, connection);
  }

  /** Handles a stream that was accepted: asks the brain for its name. */
  readonly accept = (from: PeerAddress, stream: ByteStream): StreamHandlers | undefined => {
    const turn = this.#turn;
    const now = turn.begin();
    let conn: ConnId | undefined;
    try {
      conn = turn.inputs.onIncoming(now, from);
    } finally {
      turn.end();
    }
    if (conn === undefined) return undefined;
    const connection = new Connection(conn, turn, this.#open);
    connection.stream = stream;
    this.#add(connection);
    return connection;
  };

  write(conn: ConnId, bytes: Uint8Array): void {
    this.#open.get(conn)?.stream?.write(bytes);
  }

  writePayload(conn: ConnId, bytes: Uint8Array, ticket: number): void {
    this.#open.get(conn)?.stream?.writePayload(bytes, ticket);
  }

  reading(conn: ConnId, on: boolean): void {
    this.#open.get(conn)?.stream?.reading(on);
  }

  readUpTo(bytes: number): void {
    this.#transport.readUpTo(bytes);
  }

  close(conn: ConnId, _reason: CloseReason): void {
    const connection = this.#open.get(conn);
    if (connection === undefined) return;
    this.#open.delete(conn);
    connection.stream?.close();
  }

  #add(connection: Connection): void {
    assert(!this.#open.has(connection.id), 'a connection id is never reused');
    this.#open.set(connection.id, connection);
  }
}

class Connection implements StreamHandlers {
  readonly id: ConnId;
  stream: ByteStream | undefined;
  readonly #turn: Turn;
  readonly #open: Map<ConnId, Connection>;

  constructor(id: ConnId, turn: Turn, open: Map<ConnId, Connection>) {
    this.id = id;
    this.#turn = turn;
    this.#open = open;
  }

  onOpen(): void {
    const now = this.#turn.begin();
    try {
      this.#turn.inputs.onConnected(now, this.id);
    } finally {
      this.#turn.end();
    }
  }

  onBytes(bytes: Uint8Array): void {
    const now = this.#turn.begin();
    try {
      this.#turn.inputs.onBytes(now, this.id, bytes);
    } finally {
      this.#turn.end();
    }
  }

  onWritten(ticket: number): void {
    const now = this.#turn.begin();
    try {
      this.#turn.inputs.onWritten(now, this.id, ticket);
    } finally {
      this.#turn.end();
    }
  }

  onClosed(reason: CloseReason): void {
    this.#open.delete(this.id);
    const now = this.#turn.begin();
    try {
      this.#turn.inputs.onClosed(now, this.id, reason);
    } finally {
      this.#turn.end();
    }
  }
}
