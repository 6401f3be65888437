/** Downloads a torrent and then says why each piece was chosen: node build/examples/why.js FILE.torrent FOLDER */
import { readFile } from 'node:fs/promises';
import { createSession } from 'eider';
import { encodeTrace, TraceRecorder } from 'eider/trace';

const [file = '', folder = '.'] = process.argv.slice(2);
const recorder = new TraceRecorder();
await using session = await createSession({ path: folder });
const torrent = await session.add(await readFile(file), { tracer: recorder.tracer(['pick', 'choke', 'ban']) });
await torrent.done();
for (const line of encodeTrace(recorder.events(), { subject: torrent.name })) process.stdout.write(line);
