/** Hashes with two threads while all but so many descriptors are taken, and says what came of each task: `LEFT TASKS`. */
import { closeSync, openSync, writeSync } from 'node:fs';
import { HashThreads } from '#room/hash/threads';

const [left = '0', tasks = '0'] = process.argv.slice(2);
const threads = new HashThreads(2);
const taken: number[] = [];
try {
  for (;;) taken.push(openSync('/dev/null', 'r'));
} catch {
  for (const fd of taken.splice(0, Number(left))) closeSync(fd);
}
const settings = { pieceLength: 16_384, spaceLength: 16_384, v1: true, v2: false, onMissing: 'report' } as const;
// Nothing but pads: no descriptor is needed to read it.
const job = { firstPiece: 0, pieceCount: 1, dataBytes: 0, files: [] };
let done = 0;
for (let n = 0; n < Number(tasks); n++) {
  threads.run({ settings, job }, (outcome) => {
    const what = 'error' in outcome ? String(outcome.error) : Buffer.from(outcome.range.sha1).toString('hex');
    writeSync(1, `${n} ${what}\n`);
    if (++done < Number(tasks)) return;
    writeSync(1, `idle ${threads.isIdle} full ${threads.isFull}\n`);
    void threads.close();
  });
}
