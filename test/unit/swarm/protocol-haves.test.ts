import { check } from '../../support/protocol-check.ts';

const fast = { A: { fast: true } };
const bad = (name: string, lines: string[], code: string, peers: Record<string, object> = { A: {} }) =>
  check(name, { peers, script: [...lines, '= 50'], expect: { closed: { [code]: 1 }, open: [] } });

check('who has nothing says nothing; with the fast extension it says so', {
  peers: { A: {}, B: { fast: true } },
  script: ['A! 200', 'B> have-none', 'B! 200'],
});

check('who has some of it sends a bitfield', {
  has: [0, 2, 6],
  peers: { A: {}, B: { fast: true } },
  script: ['A> bitfield a2', 'B> bitfield a2', 'A! 100'],
});

check('who has all of it sends a bitfield without spare bits, or have-all', {
  has: 'all',
  peers: { A: {}, B: { fast: true } },
  script: ['A> bitfield fe', 'B> have-all'],
});

check('have, bitfield, have-all and have-none tell what a peer has', {
  peers: { A: {}, B: {}, C: { fast: true }, D: { fast: true } },
  script: [
    'A< have 6',
    'A> interested',
    'B< bitfield 02',
    'B> interested',
    'C> have-none',
    'C< have-all',
    'C> interested',
    'D> have-none',
    'D< have-none',
    'D! 100',
    'D< have 0',
    'D> interested',
  ],
  expect: { open: ['A', 'B', 'C', 'D'], snapshot: { seedsConnected: 1 } },
});

check('a peer that says nothing about pieces has none', { script: ['< unchoke', '! 500'] });

check('an empty bitfield is allowed once', { script: ['< bitfield 00', '! 100', '< have 0', '> interested'] });

check('the last block of the last piece is as long as what is left', {
  script: ['< have 6', '> interested', '< unchoke', '> request 6 0 6784'],
});

bad('have-all after a bitfield', ['< bitfield 80', '< have-all'], 'peer/late-bitfield', fast);
bad('have-none after have', ['< have 1', '< have-none'], 'peer/late-bitfield', fast);
bad('a bitfield that is too long', ['< bitfield fe00'], 'peer/bad-message');
bad('an empty bitfield message', ['< bitfield'], 'peer/bad-bitfield');
bad('a spare bit that is set', ['< bitfield ff'], 'peer/bad-bitfield');
bad('a have behind the last piece', ['< have 7'], 'peer/bad-have');
bad('a have far behind it', ['< have 4294967295'], 'peer/bad-have');
bad('have-all without the fast extension', ['< have-all'], 'peer/not-negotiated');
bad('have-none without the fast extension', ['< have-none'], 'peer/not-negotiated');
bad('allowed-fast without the fast extension', ['< allowed-fast 0'], 'peer/not-negotiated');

check('port, suggest, keep-alives and unknown messages are let pass', {
  peers: fast,
  script: [
    '> have-none',
    '< port 6881',
    '< suggest 3',
    '< suggest 900',
    '< keep-alive',
    '< unknown 77',
    '< unknown 255',
    '! 100',
    '< have 0',
    '> interested',
  ],
  expect: { open: ['A'] },
});

check('a have of what a peer has already changes nothing, nor does one of what we have', {
  has: [1],
  script: ['> bitfield 40', '< bitfield c0', '> interested', '< have 0', '< have 1', '! 200'],
});

check('who offers only what we have is of no interest', {
  has: [0, 1, 2],
  script: ['> bitfield e0', '< bitfield e0', '! 500'],
});
