import { BtError, type ErrorCode } from '../base/index.ts';

/** What a shell script may rely on; described in `eider --help`. */
export const exitCodes = {
  ok: 0,
  failure: 1,
  usage: 2,
  notFound: 3,
  timeout: 4,
  verifyFailed: 5,
  interrupted: 7,
  noSpace: 9,
  /** A second Ctrl-C: 128 + SIGINT, as shells have it. */
  killed: 130,
} as const;
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** A failure whose exit code depends on what was being done, not only on what happened. */
export class CliError extends Error {
  override readonly name: string = 'CliError';
  readonly exitCode: ExitCode;
  /** Stable, for `--json`: one of ErrorCode, or `cli/…`. */
  readonly code: string;

  constructor(exitCode: ExitCode, code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.exitCode = exitCode;
    this.code = code;
  }
}

/** The same failure with the exit code that the caller knows to be right. */
export function withExitCode(exitCode: ExitCode, error: unknown): CliError {
  if (error instanceof CliError) return error;
  if (BtError.is(error)) return new CliError(exitCode, error.code, error.message, { cause: error });
  throw error;
}

const byCode: Partial<Record<ErrorCode, ExitCode>> = {
  'disk/no-space': exitCodes.noSpace,
  'disk/not-found': exitCodes.notFound,
  'client/timeout': exitCodes.timeout,
  'client/aborted': exitCodes.interrupted,
  'cli/usage': exitCodes.usage,
  'config/invalid': exitCodes.usage,
};
const byFamily: Readonly<Record<string, ExitCode>> = {
  bencode: exitCodes.notFound,
  metainfo: exitCodes.notFound,
  magnet: exitCodes.notFound,
};

export interface Failure {
  readonly exitCode: ExitCode;
  readonly code: string;
  /** One line, for people: what happened and what to do. */
  readonly message: string;
}

/** @returns undefined where the error is a bug of ours rather than trouble in the world */
export function toFailure(error: unknown): Failure | undefined {
  if (error instanceof CliError) return { exitCode: error.exitCode, code: error.code, message: error.message };
  if (!BtError.is(error)) return undefined;
  const family = error.code.slice(0, error.code.indexOf('/'));
  const exitCode = byCode[error.code] ?? byFamily[family] ?? exitCodes.failure;
  return { exitCode, code: error.code, message: toMessage(error.message, exitCode) };
}

function toMessage(message: string, exitCode: ExitCode): string {
  if (exitCode === exitCodes.interrupted) return `interrupted: ${message}`;
  if (exitCode === exitCodes.noSpace) return `${message}: free some space and run the same command again, it resumes`;
  return message;
}
