import type { Session } from '../client/index.ts';
import type { Cli } from './context.ts';

/** Says how many connections a session can have where the process may open too few files for those that it would. */
export function warnOfFewDescriptors(cli: Cli, session: Session): void {
  if (!session.isShortOfDescriptors) return;
  const { connections, processMax } = session.descriptors;
  const text = `${connections} connections at most: this process may open ${processMax ?? 'few'} files (ulimit -n)`;
  cli.events?.emit('warning', { code: 'client/few-descriptors', message: text });
  cli.note(`${cli.paintErr('yellow', 'warning:')} ${text}`);
}
