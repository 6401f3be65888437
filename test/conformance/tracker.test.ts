import assert from 'node:assert/strict';
import { BtError, fromBinaryString, fromHex, type Millis, seededRng, toHex } from '#base';
import { decode } from '#bencode';
import { RequestHead } from '#room/trackerd/http/request-head';
import { HttpRoutes } from '#room/trackerd/http/routes';
import { frontLimits } from '#room/trackerd/limits';
import { UdpAnswerer } from '#room/trackerd/udp/answerer';
import { ConnectionIds, CounterTable, DenseStore, TrackerLogic, toTrackerLimits } from '#tracker';
import {
  type AnnounceEvent,
  decodeHttpAnnounceResponse,
  decodeHttpScrapeResponse,
  decodeUdpAnnounceRequest,
  decodeUdpResponse,
  decodeUdpScrapeRequest,
  decodeUdpUrlData,
  encodeUdpAnnounceRequest,
  encodeUdpScrapeRequest,
  formatTrackerUrl,
  parseAnnounceQuery,
  parseTrackerUrl,
  toScrapeUrl,
} from '#wire';
import { conformance } from '../support/conformance.ts';

type Row = [host: string, port: number];
interface Hex {
  readonly hex: string;
  readonly _id: string;
}
interface UdpVectors {
  readonly from_client: readonly (Hex & { name: string })[];
  readonly events: Readonly<Record<AnnounceEvent, number>>;
  readonly from_tracker: readonly (Hex & {
    fields: { connection_id?: string; interval?: number; leechers?: number; seeders?: number; peers?: Row[] };
  })[];
  readonly client_must_drop: readonly Hex[];
  readonly tracker_must_survive: readonly Hex[];
  readonly bep41_options: readonly (Hex & { params: Record<string, string> | null })[];
}

const UDP = 'vectors/udp_tracker.json';
const HTTP = 'vectors/http_tracker.json';
const now = 0 as Millis;
const loopback = new Uint8Array([127, 0, 0, 1]);

function hex(text: string): Uint8Array {
  return fromHex(text) as Uint8Array;
}

function newLogic(): TrackerLogic {
  const limits = toTrackerLimits();
  const rng = seededRng(1);
  return new TrackerLogic({ store: DenseStore.create({ limits, rng }), limits, rng });
}

function onBug(error: unknown): never {
  throw error;
}

conformance(
  'UDP tracker: what a client sends',
  UDP,
  (file: UdpVectors) => file.from_client,
  (c) => {
    const bytes = hex(c.hex);
    const again = c.name.startsWith('scrape')
      ? encodeUdpScrapeRequest(decodeUdpScrapeRequest(bytes))
      : encodeUdpAnnounceRequest(decodeUdpAnnounceRequest(bytes));
    assert.equal(toHex(again), c.hex);
  },
  (c) => c._id,
);

conformance(
  'UDP tracker: numbers of events',
  UDP,
  (file: UdpVectors) => Object.entries(file.events) as [AnnounceEvent, number][],
  ([event, number]) => {
    const request = {
      infoHash: new Uint8Array(20),
      peerId: new Uint8Array(20),
      port: 1,
      uploaded: 0,
      downloaded: 0,
      left: 0,
      event,
      numWant: -1,
      key: 0,
    };
    const bytes = encodeUdpAnnounceRequest({ connectionId: new Uint8Array(8), transactionId: 0, request });
    assert.equal(bytes[83], number);
    assert.equal(decodeUdpAnnounceRequest(bytes).request.event, event);
  },
  ([event]) => event,
);

conformance(
  'UDP tracker: what a tracker sends',
  UDP,
  (file: UdpVectors) => file.from_tracker,
  (c) => {
    const { connection_id, interval, leechers, seeders, peers } = c.fields;
    const isSix = peers?.some(([host]) => host.includes(':')) ?? false;
    const answer = decodeUdpResponse(hex(c.hex), isSix ? 6 : 4);
    if (connection_id !== undefined) {
      assert(answer.kind === 'connect');
      assert.equal(`0x${toHex(answer.connectionId)}`, connection_id);
      return;
    }
    assert(answer.kind === 'announce');
    const { response } = answer;
    assert.deepEqual(
      response.peers.map(({ host, port }) => [host, port]),
      peers,
    );
    if (interval !== undefined) assert.equal(response.intervalSec, interval);
    if (leechers !== undefined) assert.equal(response.incomplete, leechers);
    if (seeders !== undefined) assert.equal(response.complete, seeders);
  },
  (c) => c._id,
);

conformance(
  'UDP tracker: what a client drops',
  UDP,
  (file: UdpVectors) => file.client_must_drop,
  (c) => {
    try {
      const answer = decodeUdpResponse(hex(c.hex), 4);
      assert(answer.kind === 'announce');
      assert.equal(answer.response.peers.length, 0);
    } catch (error) {
      assert(BtError.is(error), String(error));
    }
  },
  (c) => c._id,
);

conformance(
  'UDP tracker: what a tracker survives',
  UDP,
  (file: UdpVectors) => file.tracker_must_survive,
  (c) => {
    const ids = new ConnectionIds({ secret: new Uint8Array(16), lifetimeMs: 120_000 });
    const bytes = hex(c.hex);
    const answerBytesMax = frontLimits.udpAnswerBytesMax;
    const answerer = new UdpAnswerer({
      input: bytes,
      output: new Uint8Array(answerBytesMax),
      sources: loopback,
      logic: newLogic(),
      ids,
      counts: new CounterTable(1).row(0),
      answerBytesMax,
      onBug,
    });
    // As it stands, from a sender that has proven nothing; and with an id of ours.
    assert(answerer.answer(now, 0, bytes.length, 0, 4, 0) <= bytes.length);
    if (bytes.length >= 8) ids.issue(now, loopback, 0, 4, bytes, 0);
    assert(answerer.answer(now, 0, bytes.length, 0, 4, 0) <= answerBytesMax);
  },
  (c) => c._id,
);

conformance(
  'UDP tracker: options of BEP 41',
  UDP,
  (file: UdpVectors) => file.bep41_options,
  (c) => {
    const text = decodeUdpUrlData(hex(c.hex));
    if (c.params === null) {
      assert.equal(text, undefined);
      return;
    }
    assert(text !== undefined);
    const queryAt = text.indexOf('?');
    const pairs =
      queryAt < 0
        ? []
        : text
            .slice(queryAt + 1)
            .split('&')
            .map((pair) => pair.split('='));
    assert.deepEqual(Object.fromEntries(pairs), c.params);
  },
  (c) => c._id,
);

interface HttpCase {
  readonly kind: 'announce' | 'scrape';
  readonly body_hex: string;
  readonly expect: {
    peers?: Row[];
    external_ip?: string;
    interval?: number;
    min_interval?: number;
    seeders?: number;
    leechers?: number;
    downloads?: number;
    warning?: string;
    rows?: Record<string, [complete: number, incomplete: number, downloaded: number]>;
  };
  readonly _id: string;
}
interface HttpVectors {
  readonly answers: readonly HttpCase[];
  readonly bad_answers: readonly HttpCase[];
  readonly info_hash_escape: readonly { hex?: string; info_hash?: string; escaped?: string; query?: string }[];
  readonly scrape_url: readonly { announce: string; scrape: string | null; _id: string }[];
  readonly tracker_queries: { readonly must_answer_not_crash: readonly string[] };
}

function checkAnnounceAnswer(c: HttpCase): void {
  const reply = decodeHttpAnnounceResponse(hex(c.body_hex));
  assert(reply.ok);
  const { response } = reply;
  const { expect } = c;
  assert.deepEqual(
    response.peers.map(({ host, port }) => [host, port]),
    expect.peers,
  );
  assert.equal(response.externalIp, expect.external_ip);
  assert.equal(response.minIntervalSec, expect.min_interval);
  assert.equal(response.complete, expect.seeders);
  assert.equal(response.incomplete, expect.leechers);
  assert.equal(response.downloaded, expect.downloads);
  assert.equal(response.warning, expect.warning);
  if (expect.interval !== undefined) assert.equal(response.intervalSec, expect.interval);
}

conformance(
  'HTTP tracker: answers',
  HTTP,
  (file: HttpVectors) => file.answers,
  (c) => {
    if (c.kind === 'announce') {
      checkAnnounceAnswer(c);
      return;
    }
    const reply = decodeHttpScrapeResponse(hex(c.body_hex));
    assert(reply.ok);
    const rows = [...reply.rows].map(([hash, row]) => [hash, [row.complete, row.incomplete, row.downloaded]]);
    assert.deepEqual(Object.fromEntries(rows), c.expect.rows);
  },
  (c) => c._id,
);

conformance(
  'HTTP tracker: bad answers',
  HTTP,
  (file: HttpVectors) => file.bad_answers,
  (c) => {
    try {
      const reply = decodeHttpAnnounceResponse(hex(c.body_hex));
      assert(reply.ok);
      assert.deepEqual(reply.response.peers, []);
      assert(reply.response.intervalSec >= 10);
    } catch (error) {
      assert(BtError.is(error), String(error));
    }
  },
  (c) => c._id,
);

conformance(
  'HTTP tracker: escaping of info-hashes',
  HTTP,
  (file: HttpVectors) => file.info_hash_escape,
  (c) => {
    const escaped = c.escaped ?? c.query ?? '';
    const { request } = parseAnnounceQuery(`info_hash=${escaped}&peer_id=${'x'.repeat(20)}&port=1`);
    assert.equal(toHex(request.infoHash), c.hex ?? c.info_hash);
  },
);

conformance(
  'HTTP tracker: scrape URLs',
  HTTP,
  (file: HttpVectors) => file.scrape_url,
  (c) => {
    const url = parseTrackerUrl(c.announce);
    assert(url !== undefined);
    const scrape = toScrapeUrl(url);
    assert.equal(scrape === undefined ? null : formatTrackerUrl(scrape), c.scrape);
  },
  (c) => c._id,
);

conformance(
  'HTTP tracker: queries it must answer',
  HTTP,
  (file: HttpVectors) => file.tracker_queries.must_answer_not_crash,
  (target) => {
    const routes = new HttpRoutes({ logic: newLogic(), counts: new CounterTable(1).row(0), peersMax: 200, onBug });
    const bytes = Buffer.from(`GET ${target} HTTP/1.1\r\n\r\n`, 'latin1');
    const head = new RequestHead();
    assert.equal(head.parse(bytes, 0, bytes.length, frontLimits, false), 'ours');
    routes.answer(now, head, bytes, loopback);
    const answer = routes.out.take();
    assert.equal(answer.toString('latin1', 0, 15), 'HTTP/1.1 200 OK');
    assert(answer.length < 20_000);
    const body = answer.subarray(answer.indexOf('\r\n\r\n') + 4);
    // A bencoded dictionary, whatever was asked.
    assert.equal(body[0], fromBinaryString('d')[0]);
    decode(body);
  },
  (target) => target,
);
