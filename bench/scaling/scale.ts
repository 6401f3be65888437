/** One way in which work can grow, at some sizes of it. */
export interface Scale {
  readonly name: string;
  /** For people: what is done. */
  readonly work: string;
  /** What is counted; figures that are told by it say so. */
  readonly unit: string;
  readonly sizes: readonly number[];
  /** As of `Rounds`: for many files. */
  readonly keepsRuns?: true;
  /** How a size is called in tables. */
  label(size: number): string;
  /** Makes what all runs use. @param folder empty; it is removed at the end */
  prepare(order: {
    readonly folder: string;
    readonly sizes: readonly number[];
    readonly mib: number;
  }): Promise<Prepared>;
}

export interface Prepared {
  /** Does the work once. @returns its figures, those that must not grow told by the unit */
  measure(size: number, folder: string): Promise<Record<string, number>>;
  close(): Promise<void>;
}

const GIB = 2 ** 30;

/** CPU time of a GiB as microseconds of one of `count` units. @param bytes that were moved or hashed */
export function toMicros(cpuSecPerGib: number, { bytes, count }: { bytes: number; count: number }): number {
  return (cpuSecPerGib * (bytes / GIB) * 1e6) / count;
}
