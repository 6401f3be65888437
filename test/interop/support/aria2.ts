import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { ForeignClient } from './foreign.ts';
import { Program } from './program.ts';

const logCharsShown = 12_000;
/** A program that it runs when all is there, with the id of the download, the number of files and the path. */
const tells = '/bin/echo';

export const aria2: ForeignClient = {
  name: 'aria2',
  knowsPadFiles: false,
  makesEmptyFiles: true,
  needs: ['aria2c --version'],
  casesAtOnce: 4,
  async misreads(torrentFile, hashV1) {
    const { stdout } = await promisify(execFile)('aria2c', ['--no-conf', '--show-files', torrentFile]);
    const found = /^Info Hash: ([0-9a-f]{40})$/m.exec(stdout)?.[1];
    return found === hashV1 ? undefined : `takes ${found} for its info-hash`;
  },
  async start({ side, input, folder, workFolder, tracker, trusts, isSeeder, stays = isSeeder }) {
    const log = join(workFolder, 'aria2.log');
    const program = new Program(side, [
      'aria2c',
      '--no-conf',
      '--enable-color=false',
      '--show-console-readout=false',
      `--log=${log}`,
      '--log-level=info',
      `--dir=${folder}`,
      '--file-allocation=none',
      // It speaks to UDP trackers by the socket of its DHT, so that must be on; it knows no other node.
      `--enable-dht=${tracker === 'udp'}`,
      `--dht-file-path=${join(workFolder, 'dht.dat')}`,
      '--enable-dht6=false',
      ...(trusts === undefined ? [] : [`--ca-certificate=${trusts}`]),
      ...(isSeeder ? ['--check-integrity=true'] : []),
      ...(stays ? ['--seed-ratio=0.0', `--on-bt-download-complete=${tells}`] : ['--seed-time=0']),
      input,
    ]);
    // It ends when all is there, unless it stays.
    const told = new Promise<void>((resolve) => {
      program.onLine((line) => {
        if (/^[0-9a-f]{16} 1 /.test(line)) resolve();
      });
    });
    const ended = program.ended.then((code) => {
      if (code !== 0 || stays) throw new Error(`aria2c ended with code ${code}`);
    });
    return {
      program,
      complete: Promise.race([told, ended]),
      report: async () => `${program.output}\n${(await readFile(log, 'utf8').catch(() => '')).slice(-logCharsShown)}`,
      [Symbol.asyncDispose]: async () => {
        // At SIGTERM it goes without telling its tracker.
        if (!program.hasEnded) await program.stop('SIGINT');
      },
    };
  },
};
