import { diskLimits, isOutOfDescriptors, type NodeLoop, tcpLimits } from '../node/index.ts';
import type { Session as Brain, HeldBack, HeldBytes } from '../session/index.ts';

/** Memory of a session, and what waits for it. */
export interface Budgets {
  /** Of all holders. */
  readonly bytes: number;
  /** Who holds bytes, with what each may hold at most. */
  readonly held: readonly HeldBytes[];
  /** What budgets and limits hold back now; empty where nothing is. */
  readonly heldBack: readonly HeldBack[];
}

/** The brains' books and the world's together. Views of upload runs at sockets are counted as runs, not as queues. */
export function measureBudgets(brain: Brain, loop: NodeLoop): Budgets {
  const { receive, queued, disk } = loop.heldBytes;
  const { pinnedBytes, copyBytes, controlBytes } = brain.runs.figures;
  const ofUploads = Math.min(queued, pinnedBytes + copyBytes + controlBytes);
  const held: HeldBytes[] = [
    ...brain.holders,
    { holder: 'receive-buffer', bytes: receive, max: tcpLimits.receiveBufferBytes },
    {
      holder: 'send-queues',
      bytes: queued - ofUploads,
      max: brain.connCount * tcpLimits.queueBytesMax,
      parts: { queued, ofUploads },
    },
    { holder: 'disk-buffers', bytes: disk, max: diskLimits.recheckBufferBytes + diskLimits.segmentBufferBytesMax },
  ];
  const bytes = held.reduce((sum, one) => sum + one.bytes, 0);
  const heldBack = brain.heldBack();
  if (isOutOfDescriptors()) {
    const text = 'the process has no descriptor left (ulimit -n): nobody can connect, and files wait for each other';
    heldBack.push({ code: 'no-descriptor', count: 1, text });
  }
  return { bytes, held, heldBack };
}
