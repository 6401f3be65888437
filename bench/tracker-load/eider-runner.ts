/** Eider's tracker as the load meets it: one worker, one port for UDP and HTTP each, everything on. Ends when its standard input ends. */
import { startTracker } from 'eider/trackerd';

const tracker = await startTracker({
  http: [{ host: '127.0.0.1', port: 0 }],
  udp: [{ host: '127.0.0.1', port: 0 }],
});
const find = (protocol: string) => {
  const at = tracker.addresses.find((address) => address.protocol === protocol);
  return { host: at?.host, port: at?.port };
};
process.stdout.write(`${JSON.stringify({ event: 'ready', udp: find('udp'), http: find('http') })}\n`);
process.stdin.resume();
process.stdin.on('end', () => void tracker.close());
