import fc from 'fast-check';
import {
  blockHeaderBytes,
  encodeMessage,
  PeerDecoder,
  type PeerDecoderOptions,
  type PeerMessage,
  writeBlockHeader,
} from '#wire';

/** One thing on the wire after the handshake: a message, or a block with its payload. */
export type StreamItem = PeerMessage | { kind: 'piece'; piece: number; begin: number; bytes: Uint8Array };

export function encodeItem(item: StreamItem): Uint8Array {
  if (item.kind !== 'piece') return encodeMessage(item);
  const out = new Uint8Array(blockHeaderBytes + item.bytes.length);
  writeBlockHeader(out, 0, item.piece, item.begin, item.bytes.length);
  out.set(item.bytes, blockHeaderBytes);
  return out;
}

export function encodeItems(items: readonly StreamItem[]): Uint8Array {
  return new Uint8Array(Buffer.concat(items.map(encodeItem)));
}

/** Collects everything a decoder says, with copies of what it lends. Checks the order of the block calls. */
export class ItemCollector {
  readonly items: StreamItem[] = [];
  #open: { piece: number; begin: number; length: number; parts: Uint8Array[] } | undefined;

  onMessage(message: PeerMessage): void {
    if (this.#open !== undefined) throw new Error('a message inside a block');
    this.items.push(structuredClone(message));
  }
  onBlockStart(piece: number, begin: number, length: number): void {
    if (this.#open !== undefined) throw new Error('a block inside a block');
    this.#open = { piece, begin, length, parts: [] };
  }
  onBlockBytes(bytes: Uint8Array): void {
    if (bytes.length === 0) throw new Error('an empty fragment');
    this.#open?.parts.push(new Uint8Array(bytes));
  }
  onBlockEnd(): void {
    if (this.#open === undefined) throw new Error('an end without a start');
    const { piece, begin, length, parts } = this.#open;
    const bytes = new Uint8Array(Buffer.concat(parts));
    if (bytes.length !== length) throw new Error(`a block of ${bytes.length} bytes where ${length} were announced`);
    this.items.push({ kind: 'piece', piece, begin, bytes });
    this.#open = undefined;
  }
}

export function decodeItems(chunks: Iterable<Uint8Array>, options?: PeerDecoderOptions): StreamItem[] {
  const decoder = new PeerDecoder(options);
  const collector = new ItemCollector();
  for (const chunk of chunks) {
    // A copy that is wiped after the call: whoever kept a view of it is found out.
    const lent = new Uint8Array(chunk);
    decoder.push(lent, collector);
    lent.fill(0xee);
  }
  return collector.items;
}

/** Cuts at the places given (any numbers, taken modulo the length); equal places give empty chunks. */
export function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const sorted = places.map((place) => place % (bytes.length + 1)).sort((a, b) => a - b);
  const chunks: Uint8Array[] = [];
  let from = 0;
  for (const place of [...sorted, bytes.length]) {
    chunks.push(bytes.subarray(from, place));
    from = place;
  }
  return chunks;
}

export function cutBytewise(bytes: Uint8Array): Uint8Array[] {
  return Array.from(bytes, (_, i) => bytes.subarray(i, i + 1));
}

/** Plain objects, as the decoders give them: deepEqual looks at the prototype. */
export function record<T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> {
  return fc.record(model, { noNullPrototype: true }) as fc.Arbitrary<T>;
}

const u32 = (): fc.Arbitrary<number> => fc.integer({ min: 0, max: 0xffff_ffff });
const bytes = (max: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ maxLength: max });
const blockRef = { piece: u32(), begin: u32(), length: u32() };
const hashRange = {
  root: fc.uint8Array({ minLength: 32, maxLength: 32 }),
  baseLayer: u32(),
  index: u32(),
  length: u32(),
  proofLayers: u32(),
};

/** Every kind of message; unknown ones have an id that nobody defined. */
export function messages(): fc.Arbitrary<PeerMessage> {
  const kind = <K extends PeerMessage['kind']>(name: K) => ({ kind: fc.constant(name) });
  return fc.oneof(
    record(kind('keep-alive')),
    record(kind('choke')),
    record(kind('unchoke')),
    record(kind('interested')),
    record(kind('not-interested')),
    record({ ...kind('have'), piece: u32() }),
    record({ ...kind('bitfield'), bits: bytes(300) }),
    record({ ...kind('request'), ...blockRef }),
    record({ ...kind('cancel'), ...blockRef }),
    record({ ...kind('port'), port: fc.integer({ min: 0, max: 65535 }) }),
    record({ ...kind('suggest'), piece: u32() }),
    record(kind('have-all')),
    record(kind('have-none')),
    record({ ...kind('reject'), ...blockRef }),
    record({ ...kind('allowed-fast'), piece: u32() }),
    record({ ...kind('extended'), id: fc.integer({ min: 0, max: 255 }), payload: bytes(300) }),
    record({ ...kind('hash-request'), ...hashRange }),
    record({ ...kind('hashes'), ...hashRange, hashes: bytes(300) }),
    record({ ...kind('hash-reject'), ...hashRange }),
    record({ ...kind('unknown'), id: fc.constantFrom(10, 11, 12, 18, 19, 24, 128, 255) }),
  );
}

export function streamItems(): fc.Arbitrary<StreamItem[]> {
  const block = record({ kind: fc.constant('piece' as const), piece: u32(), begin: u32(), bytes: bytes(400) });
  return fc.array(fc.oneof({ weight: 3, arbitrary: messages() }, { weight: 1, arbitrary: block }), { maxLength: 12 });
}

export function cutPlaces(): fc.Arbitrary<number[]> {
  return fc.array(fc.nat(), { maxLength: 20 });
}
