import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Bitfield, BtError, toHex } from '#base';
import type { MadeUpTorrent } from '#sim';
import type { HashRange } from '#wire';
import { dontHaveIn, hello, metadataIn, metadataPiece, pexIn, uploadOnlyIn } from '../../support/extension-lines.ts';
import { Scene, type SceneOptions } from '../../support/scene.ts';

/**
 * Random words of three peers to a real session, some sound, some not, with time, chance and trouble in between. Nothing may break an
 * invariant, and in the end the session must still be able to stop with nothing left.
 */

const names = ['A', 'B', 'C'] as const;
const torrents: Partial<MadeUpTorrent>[] = [
  {},
  { files: [100_000, 20_000, 66_000], format: 'hybrid' },
  { files: [100_000, 0, 20_000, 66_000], format: 'v2' },
  { files: 30 * 16_384 - 5, pieceLength: 16_384 },
];

// Numbers near every border there is.
const small = fc.nat(8);
const piece = fc.oneof({ arbitrary: small, weight: 6 }, fc.constantFrom(29, 30, 0x7fff_ffff, 0xffff_ffff));
const begin = fc.oneof(
  { arbitrary: fc.nat(4).map((n) => n * 16_384), weight: 8 },
  fc.constantFrom(1, 16_383, 65_535, 65_536, 131_072, 0xffff_ffff),
);
const length = fc.oneof(
  { arbitrary: fc.constant(16_384), weight: 8 },
  fc.constantFrom(0, 1, 3_616, 6_784, 16_383, 32_768, 131_072, 131_073, 0xffff_ffff),
);
const hex = (maxLength: number) => fc.uint8Array({ maxLength }).map(toHex);

const words = fc.oneof(
  fc.constantFrom('choke', 'unchoke', 'unchoke', 'interested', 'not-interested', 'keep-alive'),
  fc.constantFrom(
    'have-all',
    'have-none',
    'bitfield fe',
    'bitfield c0',
    'bitfield 00',
    'bitfield f0',
    'bitfield ff',
    'bitfield fffffffc',
  ),
  fc.tuple(fc.constantFrom('have', 'allowed-fast', 'suggest'), piece).map((parts) => parts.join(' ')),
  fc
    .tuple(fc.constantFrom('request', 'request', 'cancel', 'reject'), piece, begin, length)
    .map((parts) => parts.join(' ')),
  hex(12).map((bits) => `bitfield ${bits}`),
  fc.tuple(fc.nat(5), hex(30)).map(([id, payload]) => `extended ${id} ${payload}`),
  fc
    .record({
      port: fc.option(fc.constantFrom(6881, 7000), { nil: undefined }),
      metadataSize: fc.option(fc.constantFrom(1, 200, 16_777_216), { nil: undefined }),
      uploadOnly: fc.option(fc.boolean(), { nil: undefined }),
      reqq: fc.option(fc.constantFrom(1, 50), { nil: undefined }),
    })
    .map(hello),
  piece.map(dontHaveIn),
  fc.boolean().map(uploadOnlyIn),
  fc
    .array(
      fc.nat(3).map((n) => ({ host: `60.0.${n}.1`, port: 7 })),
      { maxLength: 3 },
    )
    .map(pexIn),
  fc
    .tuple(fc.constantFrom('request', 'reject'), fc.nat(3))
    .map(([kind, n]) => metadataIn({ kind: kind as 'request', piece: n })),
  fc.constantFrom('unknown 99', 'port 1'),
);

type Step =
  | { readonly do: 'say'; readonly words: string }
  | { readonly do: 'block'; readonly piece: number; readonly begin: number; readonly length: number }
  | {
      readonly do: 'hashes';
      readonly kind: 'hash-request' | 'hash-reject' | 'hashes';
      readonly range: Omit<HashRange, 'root'>;
    }
  | { readonly do: 'serve' | 'lie' | 'half' | 'refuse' | 'answer'; readonly count: number }
  | { readonly do: 'join' | 'leave' | 'deaf' | 'recheck' | 'read' }
  | { readonly do: 'wait'; readonly ms: number }
  | { readonly do: 'urgent'; readonly pieces: number[] }
  | { readonly do: 'disk'; readonly fault: 'full' | 'io' | 'read' | 'well' };

const steps = fc.array(
  fc.tuple(
    fc.constantFrom(...names),
    fc.oneof(
      { weight: 8, arbitrary: words.map((w): Step => ({ do: 'say', words: w })) },
      {
        weight: 5,
        arbitrary: fc.record({
          do: fc.constantFrom(
            'serve' as const,
            'serve' as const,
            'lie' as const,
            'half' as const,
            'refuse' as const,
            'answer' as const,
          ),
          count: fc.integer({ min: 1, max: 40 }),
        }),
      },
      {
        weight: 2,
        arbitrary: fc.record({
          do: fc.constant('block' as const),
          piece,
          begin,
          length: fc.constantFrom(0, 1, 3_616, 6_784, 16_384),
        }),
      },
      {
        weight: 1,
        arbitrary: fc.record({
          do: fc.constant('hashes' as const),
          kind: fc.constantFrom('hash-request' as const, 'hash-reject' as const, 'hashes' as const),
          range: fc.record({
            baseLayer: fc.nat(3),
            index: fc.nat(8),
            length: fc.constantFrom(0, 1, 2, 4, 8, 512),
            proofLayers: fc.nat(4),
          }),
        }),
      },
      {
        weight: 3,
        arbitrary: fc.record({
          do: fc.constant('wait' as const),
          ms: fc.constantFrom(1, 20, 300, 2_000, 21_000, 70_000),
        }),
      },
      {
        weight: 2,
        arbitrary: fc.record({
          do: fc.constantFrom(
            'join' as const,
            'join' as const,
            'leave' as const,
            'deaf' as const,
            'recheck' as const,
            'read' as const,
          ),
        }),
      },
      {
        weight: 1,
        arbitrary: fc.record({ do: fc.constant('urgent' as const), pieces: fc.array(piece, { maxLength: 4 }) }),
      },
      {
        weight: 1,
        arbitrary: fc.record({
          do: fc.constant('disk' as const),
          fault: fc.constantFrom('full' as const, 'io' as const, 'read' as const, 'well' as const, 'well' as const),
        }),
      },
    ),
  ),
  { minLength: 5, maxLength: 60 },
);

/** Connects; A and B begin like honest peers that have everything. */
function join(scene: Scene, name: string): void {
  scene.join(name);
  if (name === 'C') return;
  const have = Bitfield.full(scene.torrent.geometry.pieceCount);
  scene.peer(name).send({ kind: 'bitfield', bits: have.toBytes() }, 'unchoke', 'interested');
  scene.world.runFor(5);
}

function play(scene: Scene, name: string, step: Step): void {
  const peer = scene.peer(name);
  // Whoever has been let go comes again, so that there is somebody to talk to.
  if (peer.link?.isOpen !== true && step.do !== 'wait') join(scene, name);
  const requests = (count: number) =>
    peer.received
      .splice(0)
      .flatMap((m) =>
        m.kind === 'request' && scene.torrent.geometry.isValidRequest(m.piece, m.begin, m.length) ? [m] : [],
      )
      .slice(0, count);
  switch (step.do) {
    case 'say':
      return peer.send(step.words);
    case 'block':
      return peer.sendBlock(step.piece, step.begin, new Uint8Array(step.length));
    case 'serve':
      for (const m of requests(step.count)) scene.play([`${name}< piece ${m.piece} ${m.begin} ${m.length}`]);
      return;
    case 'lie':
      for (const [i, m] of requests(step.count).entries()) {
        scene.play([`${name}${i === 0 ? ' bad' : '< piece'} ${m.piece} ${m.begin} ${m.length}`]);
      }
      return;
    case 'half':
      for (const m of requests(1)) scene.play([`${name} half ${m.piece} ${m.begin} ${m.length}`]);
      return;
    case 'refuse':
      for (const m of requests(step.count)) peer.send(`reject ${m.piece} ${m.begin} ${m.length}`);
      return;
    case 'answer':
      return answer(scene, name);
    case 'hashes': {
      const root = scene.torrent.torrent.info.files[0]?.piecesRoot ?? new Uint8Array(32);
      const { kind, range } = step;
      return peer.send(
        kind === 'hashes' ? { kind, root, ...range, hashes: new Uint8Array(64) } : { kind, root, ...range },
      );
    }
    case 'join':
      return;
    case 'leave':
      return peer.close();
    case 'deaf':
      return peer.link?.setReading(false);
    case 'wait':
      scene.world.runFor(step.ms);
      return;
    case 'recheck':
      return scene.client.ask((session, id, now) => session.recheck(now, id));
    case 'read':
      return scene.client.ask((session, id, now) => session.read(now, id, 0, 0, () => {}));
    case 'urgent':
      return scene.client.ask((session, id, now) => session.setUrgent(now, id, step.pieces));
    case 'disk':
      return setDisk(scene, step.fault);
  }
}

/** Metadata and hashes as an honest peer would give them. */
function answer(scene: Scene, name: string): void {
  const { bytes } = scene.torrent.torrent.info;
  const peer = scene.peer(name);
  peer.send(hello({ metadataSize: bytes.length }));
  scene.world.runFor(20);
  for (const m of peer.received) if (m.kind === 'extended' && m.id === 7) peer.send(metadataPiece(bytes, 0));
}

function setDisk(scene: Scene, fault: 'full' | 'io' | 'read' | 'well'): void {
  const { disk } = scene.client;
  disk.capacityBytes = fault === 'full' ? 70_000 : Number.POSITIVE_INFINITY;
  disk.faults.writeErrorRate = fault === 'io' ? 0.5 : 0;
  disk.faults.readErrorRate = fault === 'read' ? 0.5 : 0;
}

const scenes = fc.record({
  seed: fc.nat(1_000),
  torrent: fc.constantFrom(...torrents),
  has: fc.constantFrom<NonNullable<SceneOptions['has']>>([], [0], [1, 2, 3], 'all'),
  client: fc.record({
    isMagnet: fc.constantFrom(false, false, false, true),
    pieceBytesMax: fc.constantFrom(1, 200_000, 10_000_000),
    uploadLimit: fc.constantFrom(Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, 20_000),
    downloadLimit: fc.constantFrom(Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, 50_000),
  }),
  lacksLayers: fc.constantFrom(false, false, true),
});

test('whatever peers say, no invariant breaks and nothing is left behind', () => {
  let pieces = 0;
  fc.assert(
    fc.property(scenes, steps, (options, list) => {
      const scene = new Scene(options).start();
      for (const [i, name] of names.entries()) {
        scene.cast(name, { fast: i < 2, extensions: i > 0, v2: i > 0 });
        join(scene, name);
      }
      for (const [name, step] of list) play(scene, name, step);
      scene.run('3s');
      pieces += scene.events('piece').length;
      assertHonest(scene);
      assert.deepEqual(scene.stop(), []);
    }),
    { numRuns: 2_000 },
  );
  assert.ok(pieces > 10, `only ${pieces} pieces came through`);
});

/** What it calls its own is really there, and what it gives up on has a reason. */
function assertHonest(scene: Scene): void {
  const image = scene.client.disk.image(scene.torrent.torrent.info);
  for (const n of scene.have) assert.ok(image.isWhole(n), `piece ${n} is not what it should be`);
  const { phase, error } = scene.snapshot;
  assert.ok(phase !== 'error' || BtError.is(error));
}
