import type { Millis } from '#base';
import { seededRng } from '#base';
import { frontLimits } from '#room/trackerd/limits';
import { UdpAnswerer } from '#room/trackerd/udp/answerer';
import {
  AddressLimits,
  ConnectionIds,
  type CounterName,
  CounterTable,
  counterNames,
  DenseStore,
  Offenders,
  type TrackerHooks,
  type TrackerLimits,
  TrackerLogic,
  toTrackerLimits,
} from '#tracker';

const SLOT = 4_096;

/** A UDP tracker without sockets: bytes in, bytes out, in the middle of larger buffers as in a front end. */
export class UdpAsker {
  readonly input: Uint8Array = new Uint8Array(SLOT * 2).fill(0x5a);
  readonly output: Uint8Array = new Uint8Array(SLOT * 2);
  readonly #sources = new Uint8Array(64);
  readonly table: CounterTable = new CounterTable(1);
  readonly addressLimits: AddressLimits = new AddressLimits(Uint32Array.of(1, 2, 3, 4));
  readonly offenders: Offenders = new Offenders(1);
  readonly bugs: unknown[] = [];
  readonly store: DenseStore;
  readonly ids: ConnectionIds;
  readonly answerer: UdpAnswerer;
  now: Millis = 1_000_000 as Millis;

  constructor(options: { hooks?: readonly TrackerHooks[]; limits?: Partial<TrackerLimits> } = {}) {
    const limits = toTrackerLimits({ intervalSec: 60, intervalJitterSec: 0, swarmsMax: 10_000, ...options.limits });
    const rng = seededRng(3);
    this.store = DenseStore.create({ limits, rng });
    this.ids = new ConnectionIds({ secret: rng.bytes(16), lifetimeMs: limits.connectionIdMs });
    this.answerer = new UdpAnswerer({
      input: this.input,
      output: this.output,
      sources: this.#sources,
      logic: new TrackerLogic({ store: this.store, limits, rng, hooks: options.hooks ?? [] }),
      ids: this.ids,
      counts: this.table.row(0),
      limits: this.addressLimits,
      offenders: this.offenders,
      answerBytesMax: frontLimits.udpAnswerBytesMax,
      onBug: (error) => this.bugs.push(error),
    });
  }

  /** @returns the answer, or undefined for silence. @throws where the answer left its place */
  ask(datagram: Uint8Array, source: Uint8Array): Uint8Array | undefined {
    this.input.set(datagram, SLOT);
    this.#sources.set(source, 8);
    const length = this.answerer.answer(this.now, SLOT, datagram.length, 8, source.length === 4 ? 4 : 16, SLOT);
    return length === 0 ? undefined : this.output.slice(SLOT, SLOT + length);
  }

  /** Answers what lies at the beginning of `input`, of any bytes, into the beginning of `output`. @returns bytes of the answer */
  askHere(length: number, source: Uint8Array): number {
    this.#sources.set(source, 8);
    return this.answerer.answer(this.now, 0, length, 8, source.length === 4 ? 4 : 16, 0);
  }

  idFor(source: Uint8Array): Uint8Array {
    const id = new Uint8Array(8);
    this.ids.issue(this.now, source, 0, source.length === 4 ? 4 : 16, id, 0);
    return id;
  }

  /** The counts that are not 0, without bytes. */
  counts(): Partial<Record<CounterName, number>> {
    const all = this.table.sums();
    const named = counterNames.filter((name) => all[name] !== 0 && !name.includes('Bytes'));
    return Object.fromEntries(named.map((name) => [name, all[name]]));
  }
}
