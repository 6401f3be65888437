/**
 * What a tracker counts, by transport. Refusals are counted by why: `Policy` a hook or a rule of the protocol said no, `Full` the store
 * has no room, `Invalid` the request makes no sense, `Failed` a bug of ours or of a hook, `Limited` one address asks too much.
 */
export const counterNames = [
  'udpConnects',
  'udpAnnounces4',
  'udpAnnounces6',
  'udpScrapes',
  'udpRefusedPolicy',
  'udpRefusedFull',
  'udpRefusedInvalid',
  'udpRefusedFailed',
  /** Answered with "retry in". */
  'udpRefusedLimited',
  /** Told to come back later because the tracker is behind. */
  'udpRefusedOverloaded',
  /** Dropped in silence: an address that has proven nothing asks too much. */
  'udpSilenced',
  /** Shorter than any request, or of no known action: not answered. */
  'udpMalformed',
  /** Connection ids that were ours, but too old: real clients do that. */
  'udpExpiredIds',
  /** Connection ids we never gave: spoofed senders, or clients from before our last start. */
  'udpForgedIds',
  'udpBytesIn',
  'udpBytesOut',
  /** Requests that the system dropped because nobody took them in time. */
  'udpLost',
  /** Answers the system did not take. */
  'udpUnsent',
  'httpAnnounces4',
  'httpAnnounces6',
  'httpScrapes',
  'httpRefusedPolicy',
  'httpRefusedFull',
  'httpRefusedInvalid',
  'httpRefusedFailed',
  'httpRefusedLimited',
  'httpRefusedOverloaded',
  /** No HTTP, too large, too slow, no such page. */
  'httpBad',
  'httpBytesIn',
  'httpBytesOut',
  'httpConnections',
  'wsAnnounces',
  'wsScrapes',
  'wsOffersRelayed',
  'wsAnswersRelayed',
  'wsRefusedPolicy',
  'wsRefusedFull',
  'wsRefusedInvalid',
  'wsRefusedFailed',
  'wsRefusedLimited',
  'wsRefusedOverloaded',
  /** Answers to offers that wait no longer, or never did: not passed on. */
  'wsUnsolicited',
  /** Upgrades turned away: no place, a wrong path or origin. */
  'wsTurnedAway',
  /** Connections closed for what is no WebSocket. */
  'wsBad',
  /** Connections dropped because they did not take what was sent. */
  'wsDroppedSlow',
  /** Connections dropped because they fell silent. */
  'wsDroppedSilent',
  /** Times a connection sent faster than is read, and had to wait. */
  'wsHeldBack',
  'wsBytesIn',
  'wsBytesOut',
  'wsConnections',
] as const;

export type CounterName = (typeof counterNames)[number];

/** Place of a counter in a row. */
export const counter: Readonly<Record<CounterName, number>> = Object.freeze(
  Object.fromEntries(counterNames.map((name, i) => [name, i])) as Record<CounterName, number>,
);

/** One thread's counts since the start: `row[counter.udpConnects]++`. Written by its thread only. */
export type CounterRow = Float64Array;

/** A row begins on a cache line of its own, so that threads that count do not wait for each other. */
const ROW_ITEMS = Math.ceil(counterNames.length / 8) * 8;

/**
 * The counts of all threads in shared memory: one row a thread, so nothing is locked, and whoever reads adds the rows up. A sum is of no
 * one instant: counts that are taken together may differ by what just happens.
 */
export class CounterTable {
  /** For `new CounterTable` in another thread. */
  readonly shared: SharedArrayBuffer;
  readonly rowCount: number;

  /** @param from how many rows, or the memory of a table made elsewhere */
  constructor(from: number | SharedArrayBuffer) {
    this.shared = typeof from === 'number' ? new SharedArrayBuffer(from * ROW_ITEMS * 8) : from;
    this.rowCount = this.shared.byteLength / (ROW_ITEMS * 8);
  }

  /** @param thread its number, 0 to `rowCount` - 1 */
  row(thread: number): CounterRow {
    return new Float64Array(this.shared, thread * ROW_ITEMS * 8, ROW_ITEMS);
  }

  sum(name: CounterName): number {
    const all = new Float64Array(this.shared);
    let sum = 0;
    for (let i = counter[name]; i < all.length; i += ROW_ITEMS) sum += all[i] as number;
    return sum;
  }

  sums(): Record<CounterName, number> {
    return Object.fromEntries(counterNames.map((name) => [name, this.sum(name)])) as Record<CounterName, number>;
  }
}
