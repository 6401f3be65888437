import { check } from '../../support/protocol-check.ts';

// Piece 0 of four blocks only, so that what is asked for is known.
const piece0 = ['< bitfield 80', '> interested', '< unchoke'];
const asked = ['> request 0 0', '> request 0 16384', '> request 0 32768', '> request 0 49152'];
const fast = { A: { fast: true } };
const fastPiece0 = ['> have-none', ...piece0];

check('blocks that were asked for make a piece, and the piece is told to those who lack it', {
  peers: { A: {}, B: {} },
  script: [
    'A< bitfield 80',
    'A> interested',
    'A< unchoke',
    ...asked.map((line) => `A${line}`),
    'A< piece 0 49152',
    'A< piece 0 0',
    'A< piece 0 32768',
    'A< piece 0 16384',
    'B> have 0',
    'A> have 0',
    'A> not-interested',
  ],
  expect: { have: [0], snapshot: { downloaded: 65_536, wasted: 0 } },
});

check('without the fast extension a choke voids what was asked for, and it is asked again', {
  script: [...piece0, ...asked, '< piece 0 0', '< choke', '! 1000', '< unchoke', ...asked.slice(1)],
  expect: { snapshot: { downloaded: 16_384, wasted: 0 } },
});

check('a block that was on its way when we were choked is welcome', {
  script: [...piece0, ...asked, '< choke', '< piece 0 16384', '! 1000', '< unchoke', asked[0] ?? '', ...asked.slice(2)],
  expect: { snapshot: { downloaded: 16_384, wasted: 0 } },
});

check('a peer that leaves in the middle of a block leaves it, and all it was asked for, to others', {
  peers: { A: {}, B: {} },
  script: [
    'A< bitfield 80',
    'A> interested',
    'A< unchoke',
    ...asked.map((line) => `A${line}`),
    'A half 0 0',
    'B< bitfield 80',
    'B> interested',
    'B< unchoke',
    'B! 500 request',
    'A-',
    ...asked.map((line) => `B${line}`),
  ],
});

check('with the fast extension a choke voids nothing', {
  peers: fast,
  script: [
    ...fastPiece0,
    ...asked,
    '< choke',
    '< piece 0 0',
    '< piece 0 16384',
    '< piece 0 32768',
    '< piece 0 49152',
    '> have 0',
  ],
  expect: { have: [0], snapshot: { wasted: 0 } },
});

check('a reject after a choke frees the block for after the unchoke', {
  peers: fast,
  script: [
    ...fastPiece0,
    ...asked,
    '< choke',
    '< reject 0 0',
    '< reject 0 16384',
    '< reject 0 32768',
    '< reject 0 49152',
    '! 3000',
    '< unchoke',
    ...asked,
  ],
});

check('what one peer rejects is asked of another', {
  peers: { A: { fast: true }, B: { fast: true } },
  script: [
    'A> have-none',
    'B> have-none',
    'A< bitfield 80',
    'A> interested',
    'A< unchoke',
    ...asked.map((line) => `A${line}`),
    'B< bitfield 80',
    'B> interested',
    'B< unchoke',
    'A< reject 0 0',
    'B> request 0 0',
    'A! 3000 request',
  ],
});

check('a peer that rejects without choking is not asked for that piece until a minute later', {
  peers: fast,
  script: [...fastPiece0, ...asked, '< reject 0 0', '! 30000 request 0 0', '= 32000', '>* request 0 0'],
});

check('rejects of things that were never asked for change nothing', {
  peers: fast,
  script: [
    ...fastPiece0,
    ...asked,
    '< reject 3 0',
    '< reject 0 65536',
    '< reject 4000000000 4000000000',
    '< reject 0 1',
    '! 1000',
    '< piece 0 0',
  ],
  expect: { snapshot: { downloaded: 16_384 }, open: ['A'] },
});

// Block numbers run on from piece to piece: what lies beyond piece 0 must not be taken for block 0 of piece 1.
check('a reject beyond the end of its piece is not one of the next piece', {
  peers: fast,
  script: [
    '> have-none',
    '< bitfield 40',
    '> interested',
    '< unchoke',
    ...asked.map((line) => line.replace('request 0', 'request 1')),
    '< reject 0 65536',
    '! 1000 request',
    '< piece 1 0',
  ],
  expect: { open: ['A'], snapshot: { downloaded: 16_384 } },
});

check('a reject of another length than what was asked for changes nothing', {
  peers: fast,
  script: [...fastPiece0, ...asked, '< reject 0 0 16383', '! 1000', '< piece 0 0'],
  expect: { snapshot: { downloaded: 16_384, wasted: 0 } },
});

check('messages of the fast extension that was not agreed on end the connection', {
  script: ['< bitfield 80', '> interested', '< reject 0 0'],
  expect: { closed: { 'peer/not-negotiated': 1 }, open: [] },
});

check('choke and unchoke that say nothing new change nothing', {
  script: [
    ...piece0,
    ...asked,
    '< unchoke',
    '< unchoke',
    '! 500',
    '< choke',
    '< choke',
    '< unchoke',
    ...asked,
    '! 500',
  ],
});

check('interest follows what the peer has, and flips once a change', {
  script: ['! 100', '< have 3', '> interested', '< have 3', '< have 4', '! 500'],
});

// aria2 1.36 sends one in place of many HAVEs, several times a second while it downloads fast.
check('a bitfield that comes late says what is new', {
  script: ['< bitfield 40', '> interested', '< bitfield c0', '< bitfield 00', '< bitfield c0', '! 100'],
  expect: { closed: {} },
});

check('a late bitfield makes the first useful piece known', {
  script: ['< bitfield 00', '! 100', '< bitfield 80', '> interested', '< unchoke', ...asked],
});

check('a late bitfield must fit the torrent like the first', {
  script: ['< bitfield 80', '> interested', '< bitfield 81'],
  expect: { closed: { 'peer/bad-bitfield': 1 } },
});

check('have-all comes first or not at all', {
  peers: fast,
  script: ['> have-none', '< bitfield 80', '> interested', '< have-all'],
  expect: { closed: { 'peer/late-bitfield': 1 } },
});

check('allowed-fast pieces are asked for while choked, and only they', {
  peers: fast,
  script: [
    '> have-none',
    '< bitfield c0',
    '> interested',
    '< allowed-fast 0',
    ...asked,
    '! 1000 request',
    '< piece 0 0',
    '< reject 0 16384',
    '! 3000 request',
    '< unchoke',
    '>* request 1 0',
  ],
});

check('allowed-fast of a piece that the peer lacks, or that is none, is of no use', {
  peers: fast,
  script: [
    '> have-none',
    '< bitfield 80',
    '> interested',
    '< allowed-fast 1',
    '< allowed-fast 7',
    '< allowed-fast 4294967295',
    '! 1000',
    '< have 1',
    '> request 1 0',
  ],
  expect: { open: ['A'] },
});
