/** Id of an entry of a Redis stream, written `ms-seq`: the server's clock, and a number within the millisecond. */
export interface StreamId {
  readonly ms: number;
  readonly seq: number;
}

export const streamStart: StreamId = { ms: 0, seq: 0 };

/** @returns undefined where `text` is no id */
export function parseStreamId(text: string): StreamId | undefined {
  const match = /^(\d{1,15})-(\d{1,15})$/.exec(text);
  return match === null ? undefined : { ms: Number(match[1]), seq: Number(match[2]) };
}

export function formatStreamId(id: StreamId): string {
  return `${id.ms}-${id.seq}`;
}

/** Negative where `a` comes before `b`. */
export function compareStreamIds(a: StreamId, b: StreamId): number {
  return a.ms - b.ms || a.seq - b.seq;
}
