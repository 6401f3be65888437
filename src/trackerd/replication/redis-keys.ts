/**
 * Names of all keys in Redis. What is read together shares a hash tag, so that it lies in one slot of a Redis Cluster; every stream and
 * every chunk of a snapshot has its own, so that they spread over the cluster.
 */
export class RedisKeys {
  readonly #prefix: string;

  /** @param prefix tells swarms apart that share a Redis; without `{` and `}` */
  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  /** A random name of this swarm's life in Redis: another one, or none, means that Redis has lost everything. */
  get epoch(): string {
    return this.#control('epoch');
  }
  /** Hash of node to the JSON of a `MemberRecord`. */
  get members(): string {
    return this.#control('members');
  }
  /** Held by the node that wants a snapshot. */
  get wanted(): string {
    return this.#control('snapshot-wanted');
  }
  /** Held by the node that writes one. */
  get lock(): string {
    return this.#control('snapshot-lock');
  }
  /** The JSON of the last complete `SnapshotNotice`. */
  get snapshot(): string {
    return this.#control('snapshot');
  }
  stream(stream: number): string {
    return `{${this.#prefix}:${stream}}:deltas`;
  }
  chunk(snapshot: string, chunk: number): string {
    return `{${this.#prefix}:${snapshot}:${chunk}}`;
  }
  #control(name: string): string {
    return `{${this.#prefix}}:${name}`;
  }
}
