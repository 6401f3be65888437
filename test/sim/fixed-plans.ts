import type { SwarmPlan } from '#sim';

/** Random swarms that once failed, as small as they could be made; each stays here for good. `npm run sim:soak` prints them. */
export const fixedPlans: readonly { readonly about: string; readonly plan: SwarmPlan }[] = [
  {
    about: 'a partition shorter than a satellite line changed the order of a stream',
    plan: {
      seed: 100868,
      torrent: { format: 'v1', isPrivate: false, pieceLength: 65536, files: [230244] },
      trackerCount: 1,
      members: [
        {
          kind: 'client',
          name: 'c1',
          startMs: 238,
          line: 'satellite',
          isFirewalled: false,
          hasShare: 1,
          isMagnet: false,
          isDiskSlow: false,
        },
        {
          kind: 'client',
          name: 'c5',
          startMs: 1915,
          line: 'satellite',
          isFirewalled: false,
          hasShare: 0,
          isMagnet: false,
          isDiskSlow: false,
        },
        {
          kind: 'client',
          name: 'c8',
          startMs: 133,
          line: 'satellite',
          isFirewalled: false,
          hasShare: 0,
          isMagnet: false,
          isDiskSlow: false,
        },
      ],
      troubles: [
        { kind: 'kill', who: 'c1', how: 'process', atMs: 2330, forMs: 16153 },
        { kind: 'partition', who: ['c5'], atMs: 26707, forMs: 542 },
      ],
    },
  },
  {
    about: 'the only buffer was always with a piece that a liar claimed and rejected',
    plan: {
      seed: 22060,
      torrent: {
        format: 'hybrid',
        isPrivate: true,
        pieceLength: 32768,
        files: [65536, 80967, 48498, 20444, 37648, 89, 41152, 65536, 79977, 64792, 10850],
      },
      trackerCount: 1,
      members: [
        {
          kind: 'client',
          name: 'c1',
          startMs: 1778,
          line: 'dsl',
          isFirewalled: false,
          hasShare: 0.7209276333710166,
          isMagnet: false,
          pieceBytesMax: 32768,
          isDiskSlow: false,
        },
        {
          kind: 'client',
          name: 'c2',
          startMs: 426,
          line: 'dsl',
          isFirewalled: false,
          hasShare: 0,
          isMagnet: true,
          pieceBytesMax: 32768,
          isDiskSlow: false,
        },
        { kind: 'haveLiar', name: 'p1', startMs: 964, line: 'dsl' },
      ],
      troubles: [],
    },
  },
];
