import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BtError } from '#base';
import type { HeldBack, PeerSnapshot, TorrentSnapshot, TrackerSnapshot } from '#client';
import { explainStandstill } from '#room/cli/standstill';

const url = 'http://tracker.example/announce';

/** Only what the case is about. */
interface Case {
  readonly state?: Partial<TorrentSnapshot>;
  readonly peers?: readonly Partial<PeerSnapshot>[];
  readonly trackers?: readonly Partial<TrackerSnapshot>[];
  readonly heldBack?: readonly HeldBack[];
}

function explain({ state = {}, peers = [], trackers = [], heldBack = [] }: Case): string | undefined {
  const facts = {
    state: { phase: 'downloading', downRate: 0, upRate: 0, peersConnected: peers.length, peersKnown: 0, ...state },
    peers,
    trackers: trackers.map((t) => ({ url, ...t })),
    heldBack,
    nowMs: 10_000,
  };
  return explainStandstill(facts as unknown as Parameters<typeof explainStandstill>[0])?.text;
}

const down = new BtError('tracker/unreachable', { url, what: 'connection refused' });
const choking = { amInterested: true, peerChoking: true, snubbed: false };
const open = { amInterested: true, peerChoking: false, snubbed: false };

const cases: readonly (readonly [what: string, facts: Case, text: string | undefined])[] = [
  ['it moves', { state: { downRate: 5000 } }, undefined],
  ['checking is work', { state: { phase: 'checking' } }, undefined],
  ['nobody to ask', {}, 'no peers yet: no tracker is named; --peer HOST:PORT names a peer'],
  ['being asked', { trackers: [{ status: 'announcing' }] }, `no peers yet: asking ${url}`],
  [
    'tracker down',
    { trackers: [{ status: 'failing', error: down, nextAt: 25_000 as never }] },
    `no peers yet: tracker ${url} cannot be reached: connection refused, asked again in 15 s`,
  ],
  [
    'tracker knows nobody, another is down',
    {
      trackers: [
        { status: 'failing', error: down },
        { status: 'working', nextAt: 70_000 as never },
      ],
    },
    `no peers yet: ${url} knows no other peer, asked again in 1 min 00 s`,
  ],
  ['known, silent', { state: { peersKnown: 3 } }, 'no connection yet: none of 3 known peers answers'],
  ['magnet', { state: { phase: 'fetching-metadata' }, peers: [open] }, '1 peer, none has sent the metadata yet'],
  ['nothing new', { peers: [{ ...open, amInterested: false }] }, '1 peer, none has anything that is missing here'],
  ['choked', { peers: [choking, choking] }, '2 peers with pieces for us, all choke us: others come first'],
  ['choked by one', { peers: [choking] }, '1 peer with pieces for us, who chokes us: others come first'],
  ['snubbed', { peers: [choking, { ...open, snubbed: true }] }, '1 peer would give to us and sends nothing'],
  ['just begun', { peers: [open] }, 'waiting for the first bytes of 1 peer'],
  ['seeding for nobody', { state: { phase: 'seeding' } }, 'nobody is here to download'],
  ['seeding, and asked', { state: { phase: 'seeding', upRate: 9000 }, peers: [open] }, undefined],
  [
    'seeding, not to be found',
    { state: { phase: 'seeding' }, trackers: [{ status: 'gave-up', error: down }] },
    `nobody can find us: tracker ${url} cannot be reached: connection refused`,
  ],
  [
    'a budget is used up',
    { peers: [open], heldBack: [{ code: 'no-buffer', count: 1, text: 'no buffer free' }] },
    'no buffer free',
  ],
  [
    'an upload limit holds no download back',
    { peers: [open], heldBack: [{ code: 'upload-limit', count: 1, text: 'limit used up' }] },
    'waiting for the first bytes of 1 peer',
  ],
  [
    'disk full',
    { state: { waitingFor: new BtError('disk/no-space', { path: '/d' }) } },
    'no space left on the disk of /d',
  ],
];

for (const [what, facts, text] of cases) test(`why nothing moves: ${what}`, () => assert.equal(explain(facts), text));
