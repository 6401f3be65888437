import { exitCodes } from './exit.ts';

export interface Interrupts {
  /** Fires at the first SIGINT or SIGTERM, or SIGHUP where that has no meaning of its own; the reason is the signal's name. */
  readonly signal: AbortSignal;
  /** Gives the signals back to Node's default. */
  stop(): void;
}

/**
 * The first signal asks for an orderly end; the second ends the process at once with 130, whatever it is doing.
 *
 * @param onFirst told once, to say what is going on and how to hurry it
 * @param onHangup for a service: SIGHUP asks it to read its configuration again
 */
export function watchSignals(onFirst: (name: string) => void, onHangup?: () => void): Interrupts {
  const names = onHangup === undefined ? (['SIGINT', 'SIGTERM', 'SIGHUP'] as const) : (['SIGINT', 'SIGTERM'] as const);
  const controller = new AbortController();
  const onSignal = (name: NodeJS.Signals) => {
    if (controller.signal.aborted) process.exit(exitCodes.killed);
    onFirst(name);
    controller.abort(name);
  };
  for (const name of names) process.on(name, onSignal);
  if (onHangup !== undefined) process.on('SIGHUP', onHangup);
  return {
    signal: controller.signal,
    stop: () => {
      for (const name of names) process.off(name, onSignal);
      if (onHangup !== undefined) process.off('SIGHUP', onHangup);
    },
  };
}
