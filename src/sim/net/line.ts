/** How a host is connected to the network. */
export interface Line {
  /** Bytes per second; Infinity = no limit. */
  readonly upBytesPerSec: number;
  readonly downBytesPerSec: number;
  /** One way, from the host to the middle of the network: two hosts are the sum of theirs apart. */
  readonly latencyMs: number;
  /** Up to this much is added at random to every chunk; order on one connection is kept. */
  readonly jitterMs: number;
  /** Share of chunks that are lost once: they, and all behind them, come when TCP has repeated them, and it sends less for a while. */
  readonly lossRate: number;
}

const KIB = 1024;
const MIB = 1024 * KIB;

export type LineName = 'ideal' | 'lan' | 'fibre' | 'cable' | 'dsl' | 'mobile' | 'satellite' | 'lossy' | 'slow';

const UNLIMITED = Number.POSITIVE_INFINITY;

/** Lines by name, for scenarios. */
export const lines: Readonly<Record<LineName, Line>> = {
  /** So fast that only the brains are seen. */
  ideal: { upBytesPerSec: UNLIMITED, downBytesPerSec: UNLIMITED, latencyMs: 1, jitterMs: 0, lossRate: 0 },
  lan: { upBytesPerSec: 100 * MIB, downBytesPerSec: 100 * MIB, latencyMs: 0.2, jitterMs: 0.1, lossRate: 0 },
  fibre: { upBytesPerSec: 10 * MIB, downBytesPerSec: 10 * MIB, latencyMs: 5, jitterMs: 2, lossRate: 0 },
  cable: { upBytesPerSec: 1 * MIB, downBytesPerSec: 8 * MIB, latencyMs: 10, jitterMs: 5, lossRate: 0.001 },
  dsl: { upBytesPerSec: 128 * KIB, downBytesPerSec: 2 * MIB, latencyMs: 20, jitterMs: 10, lossRate: 0.001 },
  mobile: { upBytesPerSec: 256 * KIB, downBytesPerSec: 1 * MIB, latencyMs: 60, jitterMs: 60, lossRate: 0.01 },
  satellite: { upBytesPerSec: 256 * KIB, downBytesPerSec: 4 * MIB, latencyMs: 300, jitterMs: 20, lossRate: 0.01 },
  lossy: { upBytesPerSec: 1 * MIB, downBytesPerSec: 4 * MIB, latencyMs: 80, jitterMs: 60, lossRate: 0.03 },
  slow: { upBytesPerSec: 16 * KIB, downBytesPerSec: 64 * KIB, latencyMs: 40, jitterMs: 20, lossRate: 0.001 },
};
