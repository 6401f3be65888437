/** Something that a budget or a limit holds back now: a word for programs, how many it concerns, and a sentence. */
export interface HeldBack {
  readonly code: 'no-buffer' | 'no-run' | 'upload-limit' | 'download-limit' | 'connections-full' | 'no-descriptor';
  readonly count: number;
  readonly text: string;
}

export interface HeldBackFacts {
  readonly withoutBuffer: number;
  readonly withoutRun: number;
  /** Torrents that wait for the upload limit, connections that wait for the download limit. */
  readonly waitingToSend: number;
  readonly notRead: number;
  readonly connections: number;
  readonly connectionsMax: number;
}

/** Back-pressure as people and programs see it: empty where nothing is held back. */
export function listHeldBack(facts: HeldBackFacts): HeldBack[] {
  const { withoutBuffer, withoutRun, waitingToSend, notRead, connections, connectionsMax } = facts;
  const all: HeldBack[] = [
    {
      code: 'no-buffer',
      count: withoutBuffer,
      text: `no buffer free for another piece: ${peers(withoutBuffer)} not asked for more`,
    },
    { code: 'no-run', count: withoutRun, text: `no buffer free to read for upload: ${peers(withoutRun)} not served` },
    {
      code: 'upload-limit',
      count: waitingToSend,
      text: `upload limit used up: ${waitingToSend} ${waitingToSend === 1 ? 'torrent waits' : 'torrents wait'}`,
    },
    { code: 'download-limit', count: notRead, text: `download limit used up: ${peers(notRead)} not read from` },
    {
      code: 'connections-full',
      count: connections >= connectionsMax ? connections : 0,
      text: `all ${connectionsMax} connections are in use`,
    },
  ];
  return all.filter((one) => one.count > 0);
}

function peers(count: number): string {
  return count === 1 ? '1 peer' : `${count} peers`;
}
