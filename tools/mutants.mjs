/**
 * Bugs to plant in the built engine, one at a time, to show that the simulator sees them (tools/sim-mutants.mjs).
 *
 * `scenario`: runs this one in place of random swarms, which do not draw such peers, or seldom. `find` occurs exactly once in `dist/<file>`; where it does not, the run fails, so that this list cannot rot unseen.
 */
export const mutants = [
  {
    name: 'block-counted-twice',
    breaks: 'a second copy of a block that is thrown away counts as downloaded too',
    file: 'swarm/downloader.js',
    find: '            this.#waste(bytes.length, arrival.isDouble);',
    replace:
      '            this.#waste(bytes.length, arrival.isDouble);\n            this.#counts.payloadBytes += bytes.length;',
  },
  {
    name: 'slot-freed-while-pinned',
    breaks: 'a buffer of which a socket still has a view goes back to its pool',
    file: 'swarm/run-cache.js',
    find: '        if (run.pins === 0)\n            this.#pool.give(run.bytes, run.torrent);\n        else\n            this.#orphans.add(run);',
    replace: '        this.#pool.give(run.bytes, run.torrent);',
  },
  {
    name: 'buffer-not-given-back',
    breaks: 'the buffers of a piece that failed its hash stay lent for ever',
    file: 'swarm/piece-desk.js',
    find: '            if (segment !== undefined)\n                this.#giveBuffer(segment);\n        const active',
    replace:
      "            if (segment !== undefined && outcome.kind !== 'bad')\n                this.#giveBuffer(segment);\n        const active",
  },
  {
    name: 'lost-cancel',
    breaks: 'a request is taken back, and the peer is not told',
    file: 'swarm/downloader.js',
    find: "        this.#ctx.send(peer, encodeMessage({ kind: 'cancel', piece, begin, length }));\n",
    replace: '',
  },
  {
    name: 'lost-reject',
    breaks: 'a peer that is choked does not learn that its queue is void',
    file: 'swarm/uploader.js',
    find: "            else if (peer.flags.fast)\n                this.#ctx.send(peer, encodeMessage({ ...request, kind: 'reject' }));\n        }",
    replace: '        }',
  },
  {
    name: 'lost-have',
    breaks: 'peers that choke us are not told of new pieces',
    file: 'swarm/exchange.js',
    find: '            if (!peer.isSeed)\n                this.#ctx.send(peer, message.slice());',
    replace:
      '            if (!peer.isSeed && !peer.peerChoking)\n                this.#ctx.send(peer, message.slice());',
  },
  {
    name: 'have-before-write',
    breaks: 'peers hear of a piece when it goes to the disk, not when it is there',
    file: 'swarm/piece-desk.js',
    find: '        this.#ledger.commit(active);\n',
    replace: '        this.#ledger.commit(active);\n        this.#o.onGood(piece);\n',
  },
  {
    name: 'failed-write-believed',
    breaks: 'a piece that could not be written counts as here',
    file: 'swarm/piece-desk.js',
    find: "        if (outcome.kind === 'ok') {",
    replace: "        if (outcome.kind !== 'bad') {",
  },
  {
    name: 'wrong-blame',
    breaks: 'everybody who took part in a bad piece is banned, not only whose blocks differ',
    file: 'swarm/blame.js',
    find: 'if (key === undefined || isSameBlock(hashes, blockHashes, block))',
    replace: 'if (key === undefined)',
  },
  {
    name: 'availability-not-taken-back',
    breaks: 'pieces of a peer that is gone still count as available',
    file: 'swarm/exchange.js',
    find: '        if (peer.countedAsSeed)\n            picker.seeds--;\n        else\n            for (const piece of peer.have)\n                picker.order.decrement(piece);\n        this.#choker',
    replace: '        if (peer.countedAsSeed)\n            picker.seeds--;\n        this.#choker',
  },
  {
    name: 'request-kept-on-choke',
    breaks: 'a choke without the fast extension does not void what was asked',
    file: 'swarm/downloader.js',
    find: '        if (!peer.flags.fast)\n            this.#giveBack(peer, { cancel: false });',
    replace: '',
    scenario: 'without-fast',
  },
  {
    name: 'request-kept-on-reject',
    breaks: 'a rejected request stays open in the ledger: its block is asked of nobody else',
    file: 'swarm/downloader.js',
    find: "        assert(active !== undefined, 'an open request has a piece in work');\n        this.#ledger.unask(active, block);\n        peer.allowedFast",
    replace: "        assert(active !== undefined, 'an open request has a piece in work');\n        peer.allowedFast",
  },
  {
    name: 'resume-claims-too-much',
    breaks: 'the resume record names one piece more than there is',
    file: 'swarm/torrent-disk.js',
    find: '            have: this.#claims(),',
    replace:
      '            have: (() => { const bits = this.#claims().clone(); for (let p = 0; p < bits.size; p++) if (!bits.has(p)) { bits.set(p); break; } return bits; })(),',
  },
  {
    name: 'end-game-not-cancelled',
    breaks: 'a block is here, and the second peer that was asked for it is left to send it too',
    file: 'swarm/downloader.js',
    find: '        if (active.askers[block] > 0)\n            this.#cancelElsewhere(active, block);',
    replace: '',
  },
  {
    name: 'upload-window-lost',
    breaks: 'what has left the socket still counts against the window of its peer',
    file: 'swarm/uploader.js',
    find: '        peer.lentBytes -= this.#ctx.host.runs.release(ticket);',
    replace: '        this.#ctx.host.runs.release(ticket);',
  },
  {
    name: 'upload-allowance-lost',
    breaks: 'who waits for the upload limit is not woken when there is allowance again',
    file: 'session/session.js',
    find: "        wakes.set('upload', this.#uploadTurns.nextAt(now));\n",
    replace: '',
  },
  {
    name: 'interest-not-withdrawn',
    breaks: 'a peer that has nothing for us any more is not told so, and keeps a slot for us',
    file: 'swarm/exchange.js',
    find: '        if (interested === peer.amInterested)\n            return;\n        peer.amInterested = interested;',
    replace:
      '        if (interested === peer.amInterested || !interested)\n            return;\n        peer.amInterested = interested;',
  },
  {
    name: 'pads-not-zeroed',
    breaks: 'pad bytes of a reused buffer are those of another piece',
    file: 'swarm/piece-desk.js',
    find: '            if (span.file < 0)\n                buffer.fill(0, at, at + span.length);',
    replace: '',
  },
  {
    name: 'hashes-not-checked',
    breaks: 'hashes of pieces are believed without leading to the root of their file (BEP 52)',
    file: 'metainfo/file-hashes.js',
    find: 'if (!this.#isFilledRight(range, row) || !this.#proves(range, row, hashes.subarray(row.length)))',
    replace: 'if (!this.#isFilledRight(range, row))',
    scenario: 'false-hashes',
  },
  {
    name: 'timer-lost',
    breaks: 'connections are looked at once and never again: no keep-alive, no time-out',
    file: 'swarm/torrent-timers.js',
    find: '                    this.#peering.tick();\n                    this.planTick();',
    replace: '                    this.#peering.tick();',
  },
  {
    name: 'arrival-outlives-its-peer',
    breaks: 'a block whose sender is gone in the middle of it waits for its second half for ever',
    file: 'swarm/downloader.js',
    find: '    peerGone(peer) {\n        this.#abortArrival(peer);',
    replace: '    peerGone(peer) {',
  },
  {
    name: 'parole-broken',
    breaks: 'a piece that is to have one author is asked of several',
    file: 'swarm/picker.js',
    find: 'return this.mayAsk(peer, active) && (active.exclusiveTo === undefined || active.exclusiveTo === peer.key);',
    replace: 'return this.mayAsk(peer, active);',
    scenario: 'lies-together',
  },
  {
    name: 'seat-outlives-its-peer',
    breaks: 'an upload slot of a peer that is gone is not free for others',
    file: 'swarm/exchange.js',
    find: '        this.#choker.remove(peer.conn);\n',
    replace: '',
  },
];
