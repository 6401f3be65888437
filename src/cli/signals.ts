import { exitCodes } from './exit.ts';

export interface Interrupts {
  /** Fires at the first SIGINT, SIGTERM or SIGHUP; the reason is the signal's name. */
  readonly signal: AbortSignal;
  /** Gives the signals back to Node's default. */
  stop(): void;
}

const names = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * The first signal asks for an orderly end; the second ends the process at once with 130, whatever it is doing.
 *
 * @param onFirst told once, to say what is going on and how to hurry it
 */
export function watchSignals(onFirst: (name: string) => void): Interrupts {
  const controller = new AbortController();
  const onSignal = (name: NodeJS.Signals) => {
    if (controller.signal.aborted) process.exit(exitCodes.killed);
    onFirst(name);
    controller.abort(name);
  };
  for (const name of names) process.on(name, onSignal);
  return {
    signal: controller.signal,
    stop: () => {
      for (const name of names) process.off(name, onSignal);
    },
  };
}
