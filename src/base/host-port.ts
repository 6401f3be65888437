/** A place to listen, as people write it. */
export interface HostPort {
  /** A name, an IPv4 address, or an IPv6 address without brackets; undefined where only a port was given. */
  readonly host: string | undefined;
  /** 0 to 65535. */
  readonly port: number;
}

/**
 * `127.0.0.1:6881`, `[::1]:6881`, `host.example:6881`, `:6881`, `6881`, `[::1]`.
 *
 * @returns parts as they stand, `port` up to five digits; undefined where the text is none of these
 */
export function splitHostPort(text: string): { host: string | undefined; port: string | undefined } | undefined {
  const bracketed = /^\[([0-9a-fA-F:.]+(?:%[\w.-]+)?)\](?::(\d{1,5}))?$/.exec(text);
  if (bracketed !== null) return { host: bracketed[1], port: bracketed[2] };
  if (/^\d{1,5}$/.test(text)) return { host: undefined, port: text };
  const plain = /^([^\s:[\]/]*)(?::(\d{1,5}))?$/.exec(text);
  if (plain === null) return undefined;
  return { host: plain[1] === '' ? undefined : plain[1], port: plain[2] };
}

/** HOST:PORT, [IPv6]:PORT, or just a port for all addresses; port 0 takes any that is free. @returns undefined where it is none of these */
export function parseHostPort(text: string): HostPort | undefined {
  const split = splitHostPort(text);
  const port = Number(split?.port ?? Number.NaN);
  return split === undefined || !(port <= 65_535) ? undefined : { host: split.host, port };
}

/** The other way round; without a host just the port. */
export function formatHostPort({ host, port }: HostPort): string {
  if (host === undefined) return String(port);
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
