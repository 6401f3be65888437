import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Bitfield, type ConnId, type Millis, seededRng } from '#base';
import { type Pick, Picker, type PickerPeer } from '#room/swarm/picker';
import { type ActivePiece, BlockState, PieceLedger, PieceState } from '#room/swarm/piece-ledger';
import { inOrder, type PickPolicy } from '#room/swarm/policies';
import { sceneTorrent } from '../../support/scene.ts';

// Twelve pieces of up to four blocks.
const { geometry } = sceneTorrent({ files: 12 * 65_536 - 20_000 });
const PIECES = geometry.pieceCount;

interface FakeSource extends PickerPeer {
  readonly have: Bitfield;
  refused: Set<number> | undefined;
  allowedFast: Set<number> | undefined;
  peerChoking: boolean;
  current: ActivePiece | undefined;
  readonly asked: Set<string>;
}

/** Every block that somebody owes is late, and was asked for a moment ago. */
const allLate = { isLate: () => true, owedBefore: -1 as Millis };
const rarestOnly: PickPolicy = { order: 'rarest', randomFirstPieces: 0 };

interface World {
  readonly ledger: PieceLedger;
  readonly picker: Picker;
  readonly peers: FakeSource[];
  readonly parole: Set<number>;
  readonly unverifiable: Set<number>;
  room: number;
}

function makeWorld(seed: number, policy: PickPolicy): World {
  const ledger = new PieceLedger(geometry);
  const world = {
    ledger,
    peers: [],
    parole: new Set<number>(),
    unverifiable: new Set<number>(),
    room: 1_000,
  } as unknown as World;
  const picker: Picker = new Picker({
    ledger,
    rng: seededRng(seed),
    isVerifiable: (piece) => !world.unverifiable.has(piece),
    mayStart: () => world.room > 0,
    start: (piece) => {
      const active = ledger.start(piece, 65_536);
      picker.pieceMoved(piece);
      world.room--;
      return active;
    },
    onParole: (piece) => world.parole.has(piece),
    policy,
    endGameAskersMax: 2,
  });
  (world as { picker: Picker }).picker = picker;
  return world;
}

const newPick = (): Pick => ({ active: undefined, block: 0, reason: 'rarest', rarity: 0, candidates: 0 });

function addPeer(world: World, bits: number, choking: boolean): void {
  const have = new Bitfield(PIECES);
  for (let piece = 0; piece < PIECES; piece++) {
    if ((bits & (1 << piece)) === 0) continue;
    have.set(piece);
    world.picker.order.increment(piece);
  }
  const asked = new Set<string>();
  const conn = (world.peers.length + 1) as ConnId;
  world.peers.push({
    conn,
    key: `peer ${conn}`,
    have,
    refused: undefined,
    allowedFast: undefined,
    peerChoking: choking,
    current: undefined,
    asked,
    hasAsked: (piece, block) => asked.has(`${piece}/${block}`),
  });
}

/** Takes what the picker gives, as the downloader would. */
function ask(world: World, peer: FakeSource, pick: Pick): void {
  const active = pick.active as ActivePiece;
  world.ledger.ask(active, pick.block, 0 as Millis);
  peer.asked.add(`${active.piece}/${pick.block}`);
  peer.current = active;
}

const action = fc.record({
  kind: fc.constantFrom(
    'pick',
    'pick',
    'pick',
    'pick',
    'here',
    'choke',
    'refuse',
    'allow',
    'parole',
    'free',
    'unverifiable',
    'full',
  ),
  peer: fc.nat(3),
  piece: fc.nat(PIECES - 1),
});
type Action = { readonly kind: string; readonly peer: number; readonly piece: number };

function act(world: World, { kind, peer: index, piece }: Action): void {
  const peer = world.peers[index % world.peers.length] as FakeSource;
  const pick = newPick();
  if (kind === 'pick' && world.picker.pick(peer, pick)) ask(world, peer, pick);
  else if (kind === 'choke') peer.peerChoking = !peer.peerChoking;
  else if (kind === 'refuse') (peer.refused ??= new Set()).add(piece);
  else if (kind === 'allow') (peer.allowedFast ??= new Set()).add(piece);
  else if (kind === 'parole' && world.ledger.state(piece) === PieceState.wanted) world.parole.add(piece);
  else if (kind === 'unverifiable') world.unverifiable.add(piece);
  else if (kind === 'full') world.room = world.room > 0 ? 0 : 1_000;
  else if (kind === 'here') comeHome(world, piece);
  else if (kind === 'free') giveBack(world, peer, piece);
}

/** All blocks of the piece that are asked for come. */
function comeHome({ ledger, picker, peers }: World, piece: number): void {
  const active = ledger.active(piece);
  if (active === undefined || ledger.state(piece) !== PieceState.active) return;
  for (let b = 0; b < active.blocks.length; b++) {
    if (active.blocks[b] !== BlockState.asked) continue;
    ledger.arrive(active, b, 'x');
    while ((active.askers[b] as number) > 0) ledger.unask(active, b);
    ledger.arrived(active, b);
    for (const peer of peers) peer.asked.delete(`${piece}/${b}`);
  }
  if (!active.isComplete) return;
  ledger.commit(active);
  ledger.committed(piece);
  picker.pieceMoved(piece);
  for (const peer of peers) if (peer.current === active) peer.current = undefined;
}

function giveBack({ ledger }: World, peer: FakeSource, piece: number): void {
  const active = ledger.active(piece);
  if (active === undefined) return;
  for (let b = 0; b < active.blocks.length; b++) if (peer.asked.delete(`${piece}/${b}`)) ledger.unask(active, b);
}

/** What must hold of whatever is picked. */
function judge(world: World, peer: FakeSource, pick: Pick): void {
  const active = pick.active as ActivePiece;
  const { piece } = active;
  assert.ok(peer.have.has(piece) && peer.refused?.has(piece) !== true, 'the peer has it and gives it');
  assert.ok(
    !peer.peerChoking || peer.allowedFast?.has(piece) === true,
    'the peer does not choke us, or allows this one',
  );
  assert.ok(active.exclusiveTo === undefined || active.exclusiveTo === peer.key, 'it is not reserved for another');
  assert.equal(world.ledger.state(piece), PieceState.active);
  assert.equal(pick.rarity, world.picker.availability(piece));
}

const worlds = fc.record({
  seed: fc.nat(),
  policy: fc.constantFrom<PickPolicy>(rarestOnly, { order: 'rarest', randomFirstPieces: 4 }, inOrder),
  peers: fc.array(fc.record({ bits: fc.nat(2 ** PIECES - 1), choking: fc.constantFrom(false, false, true) }), {
    minLength: 1,
    maxLength: 4,
  }),
  actions: fc.array(action, { maxLength: 60 }),
});

test('the first line of explain is what pick chooses from, and pick keeps all rules', () => {
  const seen = new Set<string>();
  fc.assert(
    fc.property(worlds, ({ seed, policy, peers, actions }) => {
      const world = makeWorld(seed, policy);
      for (const { bits, choking } of peers) addPeer(world, bits, choking);
      for (const a of actions) act(world, a);
      world.picker.assertInvariants();
      world.ledger.assertInvariants();
      for (const peer of world.peers) {
        const [first] = world.picker.explain(peer, 20);
        const pick = newPick();
        const mayStart = world.room > 0;
        const isPicked = world.picker.pick(peer, pick);
        if (!isPicked) {
          const isOpen = first?.reason === 'same-piece' || first?.reason === 'resume-partial';
          assert.ok(
            first === undefined || (!mayStart && !isOpen),
            `nothing was picked, but ${JSON.stringify(first)} was there`,
          );
          continue;
        }
        judge(world, peer, pick);
        assert.equal(pick.active?.blocks[pick.block], BlockState.free);
        assert.ok(first !== undefined);
        seen.add(pick.reason);
        // A random choice is any of them.
        if (first.reason !== 'random-first')
          assert.equal(first.piece, pick.active?.piece, `${pick.reason} and ${first.reason}`);
        if (first.reason === 'rarest') {
          const rarest = Math.min(...startable(world, peer, pick.active?.piece));
          assert.ok(pick.rarity <= rarest, 'nothing rarer could have been begun');
        }
        if (first.reason === 'sequential') {
          const earlier = world.picker.explain(peer, PIECES).slice(1);
          assert.ok(
            earlier.every(({ piece, reason }) => reason !== 'sequential' || piece > first.piece),
            'nothing before it could have been begun',
          );
        }
        if (
          world.parole.has(pick.active?.piece as number) &&
          pick.reason !== 'same-piece' &&
          pick.reason !== 'resume-partial'
        ) {
          assert.equal(pick.active?.exclusiveTo, peer.key, `a piece on parole has one author (${pick.reason})`);
        }
        ask(world, peer, pick);
      }
    }),
    { numRuns: 1_500 },
  );
  for (const reason of [
    'same-piece',
    'resume-partial',
    'rarest',
    'random-first',
    'sequential',
    'allowed-fast',
    'parole',
  ]) {
    assert.ok(seen.has(reason), `${reason} was never seen`);
  }
});

function startable(world: World, peer: FakeSource, but: number | undefined): number[] {
  const out = [Number.POSITIVE_INFINITY];
  for (let piece = 0; piece < PIECES; piece++) {
    const isFree = world.ledger.state(piece) === PieceState.wanted && !world.unverifiable.has(piece);
    if (isFree && piece !== but && peer.have.has(piece) && peer.refused?.has(piece) !== true)
      out.push(world.picker.availability(piece));
  }
  return out;
}

test('in end-game a block is asked of two at most, never twice of one, and never where it is reserved', () => {
  fc.assert(
    fc.property(worlds, ({ seed, peers, actions }) => {
      const world = makeWorld(seed, rarestOnly);
      for (const { bits } of peers) addPeer(world, bits, false);
      for (const a of actions) if (a.kind !== 'full') act(world, a);
      const pick = newPick();
      for (let round = 0; round < 3; round++) {
        for (const peer of world.peers) {
          while (world.picker.pick(peer, pick)) ask(world, peer, pick);
          for (let n = 0; n < 200 && world.picker.pickEndGame(peer, pick, allLate); n++) {
            judge(world, peer, pick);
            const { active, block } = pick as { active: ActivePiece; block: number };
            assert.ok((active.askers[block] as number) < 2 && !peer.hasAsked(active.piece, block));
            assert.equal(active.exclusiveTo, undefined);
            ask(world, peer, pick);
          }
        }
      }
      for (const active of world.ledger.actives) for (const n of active.askers) assert.ok(n <= 2);
    }),
    { numRuns: 300 },
  );
});

test('in end-game only blocks that are late are asked of somebody else', () => {
  const world = makeWorld(1, rarestOnly);
  addPeer(world, 1, false);
  addPeer(world, 1, false);
  const [a, b] = world.peers as [FakeSource, FakeSource];
  const pick = newPick();
  while (world.picker.pick(a, pick)) ask(world, a, pick);
  assert.equal(world.picker.pickEndGame(b, pick, { ...allLate, isLate: () => false }), false);
  assert.equal(world.picker.pickEndGame(b, pick, { ...allLate, isLate: (_, block) => block === 2 }), true);
});

test('peers that have everything change no order, but count', () => {
  const world = makeWorld(1, rarestOnly);
  addPeer(world, 0b111, false);
  addPeer(world, 0b011, false);
  world.picker.seeds = 3;
  assert.equal(world.picker.availability(0), 5);
  const pick = newPick();
  assert.ok(world.picker.pick(world.peers[0] as FakeSource, pick));
  assert.deepEqual([pick.active?.piece, pick.rarity, pick.reason], [2, 4, 'rarest']);
});
