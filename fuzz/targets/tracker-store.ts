import assert from 'node:assert/strict';
import { type Millis, seededRng } from '#base';
import { AnnounceCall, DenseStore, type PeerNetwork, toTrackerLimits } from '#tracker';
import { contentsOf, fillCall, lineOf, type PeerWord } from '../../test/support/store-model.ts';
import { checkReferences, recordCount } from '../../test/support/store-references.ts';
import { Tape } from '../support/tape.ts';
import { type FuzzTarget, magnitude } from '../support/target.ts';

const TTL_MS = 600_000;
const hashes = Array.from({ length: 6 }, (_, i) => seededRng(i + 50).bytes(20));
const limits = toTrackerLimits({ peerTtlMs: TTL_MS, peersMax: 10_000, swarmsMax: 100, emptySwarmMs: 0 });

/** A store, and a map of who should be in it. */
class Play {
  readonly #tape: Tape;
  readonly store: DenseStore;
  readonly #model = new Map<string, { word: PeerWord; at: number }>();
  readonly #call = new AnnounceCall();
  #now = 1_000;

  constructor(tape: Tape) {
    this.#tape = tape;
    this.store = DenseStore.create({ limits, rng: seededRng(tape.byte()) });
  }

  get count(): number {
    return this.#model.size;
  }

  /** A range of peers does the same. */
  move(): void {
    const tape = this.#tape;
    this.#now += 1_000;
    const kind = tape.below(5);
    // Far from the edge, so that the store's coarser clock makes no difference.
    if (kind === 0) return this.#sweep(TTL_MS / 2 + 30_000);
    const swarm = tape.below(hashes.length);
    const network = tape.pick<PeerNetwork>([4, 6, 'web']);
    const from = tape.below(700);
    const count = tape.isTrue() ? tape.below(9) : tape.below(700);
    const step = 1 + tape.below(3);
    const isSeeder = tape.isTrue();
    for (let i = 0; i < count; i++) {
      const peer = from + i * step;
      const infoHash = hashes[swarm]!;
      const word: PeerWord = { infoHash, network, peer, isSeeder, event: kind < 3 ? 'none' : 'stopped' };
      fillCall(this.#call, word);
      this.store.announce(this.#now as Millis, this.#call);
      const name = `${swarm} ${network} ${peer}`;
      if (word.event === 'stopped') this.#model.delete(name);
      else this.#model.set(name, { word, at: this.#now });
    }
  }

  #sweep(ms: number): void {
    this.#now += ms;
    for (let i = 0; i < 12; i++) this.store.sweep(this.#now as Millis);
    for (const [name, { at }] of this.#model) if (this.#now - at > TTL_MS) this.#model.delete(name);
  }

  end(): void {
    const { store } = this;
    checkReferences(store);
    const expected = [...this.#model.values()].map(({ word }) => lineOf(word)).sort();
    assert.deepEqual(contentsOf(store, this.#now as Millis), expected);
    this.#sweep(TTL_MS * 2);
    assert.deepEqual(store.stats(), { swarmCount: 0, peerCount4: 0, peerCount6: 0, peerCountWeb: 0, seederCount: 0 });
    assert.equal(recordCount(store), 0);
  }
}

export const target: FuzzTarget = {
  about:
    'the store of swarms against a map: the same peers, references that lead back, nothing left when all have gone',
  form: 'choices',
  files: [
    'dense-store',
    'arena',
    'nodes',
    'parts',
    'registrar',
    'runs',
    'swarm-index',
    'swarms',
    'sweeper',
    'walker',
  ].map((name) => `tracker/store/${name}`),
  parsers: [],
  bytesMax: 300,
  testRuns: 60,
  share: 2,
  msMax: 1_000,
  run(input) {
    const tape = new Tape(input);
    const play = new Play(tape);
    tape.moves(40, () => play.move());
    const { count } = play;
    play.end();
    return magnitude(count);
  },
};
