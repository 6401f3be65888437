import { fileURLToPath } from 'node:url';
import type { ForeignClient } from './foreign.ts';
import { Program } from './program.ts';

// Debian's own Python: its libtorrent is not seen by any other.
const python = '/usr/bin/python3';
// Scripts are not built: they are read where they are kept.
const script = fileURLToPath(new URL('../../../../test/interop/support/libtorrent_peer.py', import.meta.url));

interface Said {
  readonly event: string;
  readonly message?: string;
}

export const libtorrent: ForeignClient = {
  name: 'libtorrent',
  knowsPadFiles: true,
  makesEmptyFiles: true,
  needs: [`${python} -c "import libtorrent"`],
  casesAtOnce: 2,
  async start({ side, input, folder, trusts, settings = {} }) {
    const env = trusts === undefined ? {} : { SSL_CERT_FILE: trusts };
    const program = new Program(side, [python, script, side.host, input, folder, JSON.stringify(settings)], { env });
    const completed = new Promise<void>((resolve, reject) => {
      program.onLine((line) => {
        const said = JSON.parse(line) as Said;
        if (said.event === 'complete') resolve();
        if (said.event === 'error') reject(new Error(`libtorrent: ${said.message}`));
      });
    });
    return {
      program,
      complete: Promise.race([completed, program.untilItDies()]),
      announce: async () => program.writeLine('announce'),
      scrape: async () => program.writeLine('scrape'),
      report: async () => program.output,
      [Symbol.asyncDispose]: async () => {
        await program.stop('end of input');
      },
    };
  },
};
