import { formatIp, isIpv6, type PeerAddress, parseIp } from '../base/index.ts';
import { toListenError } from './net-error.ts';
import { linux, type UdpCalls } from './udp-batch-calls.ts';

export interface UdpBatchOptions {
  /** Numeric; `::` takes IPv4 too unless `ipv6Only` is set. */
  readonly host: string;
  /** 0 = any. */
  readonly port: number;
  readonly ipv6Only?: boolean;
  /**
   * `true`: other sockets with it share the port, the system spreads senders over them. `later`: this socket takes the port for itself
   * (`net/port-in-use` where it is taken, even by sharers), then lets others with `true` in: the first of a group.
   */
  readonly reusePort?: boolean | 'later';
  /** Asked of the system, which may give less. */
  readonly receiveBufferBytes?: number;
  readonly sendBufferBytes?: number;
}

/** A bound socket of the process. */
export interface UdpBatchSocket {
  readonly fd: number;
  readonly local: PeerAddress;
  /** What the system gave. */
  readonly receiveBufferBytes: number;
}

/** @throws BtError `net/port-in-use`, `net/listen` */
export function openSocket(calls: UdpCalls, options: UdpBatchOptions): UdpBatchSocket {
  const isSix = isIpv6(options.host);
  const fd = calls.socket(isSix ? linux.AF_INET6 : linux.AF_INET, linux.SOCK_DGRAM | linux.SOCK_CLOEXEC, 0);
  if (fd < 0) throw listenError(calls, options);
  try {
    if (isSix) setOption(calls, fd, linux.IPPROTO_IPV6, linux.IPV6_V6ONLY, options.ipv6Only === true ? 1 : 0);
    if (options.reusePort === true) setOption(calls, fd, linux.SOL_SOCKET, linux.SO_REUSEPORT, 1);
    if (options.receiveBufferBytes !== undefined) {
      const isForced = setOption(calls, fd, linux.SOL_SOCKET, linux.SO_RCVBUFFORCE, options.receiveBufferBytes) === 0;
      if (!isForced) setOption(calls, fd, linux.SOL_SOCKET, linux.SO_RCVBUF, options.receiveBufferBytes);
    }
    if (options.sendBufferBytes !== undefined) {
      setOption(calls, fd, linux.SOL_SOCKET, linux.SO_SNDBUF, options.sendBufferBytes);
    }
    const name = encodeName(options, isSix);
    if (name === undefined) throw toListenError({ code: 'EADDRNOTAVAIL' }, options);
    if (calls.bind(fd, calls.addressOf(name.buffer), name.length) < 0) throw listenError(calls, options);
    if (options.reusePort === 'later') setOption(calls, fd, linux.SOL_SOCKET, linux.SO_REUSEPORT, 1);
    const local = nameOfSocket(calls, fd);
    const receiveBufferBytes = receiveBufferOf(calls, fd);
    return { fd, local: { host: formatIp(local.address), port: local.port }, receiveBufferBytes };
  } catch (error) {
    calls.close(fd);
    throw error;
  }
}

/** The system doubles what is asked for, to have room for its own notes. */
function receiveBufferOf(calls: UdpCalls, fd: number): number {
  const words = new Int32Array(new ArrayBuffer(8));
  words[1] = 4;
  const address = calls.addressOf(words.buffer as ArrayBuffer);
  calls.getsockopt(fd, linux.SOL_SOCKET, linux.SO_RCVBUF, address, address + 4);
  return (words[0] as number) / 2;
}

function setOption(calls: UdpCalls, fd: number, level: number, option: number, value: number): number {
  const buffer = new Int32Array(new ArrayBuffer(8));
  buffer[0] = value;
  return calls.setsockopt(fd, level, option, calls.addressOf(buffer.buffer as ArrayBuffer), 4);
}

/** How long a call on a socket waits at most: `struct timeval`, two words of 64 bits. */
export function setTimeouts(calls: UdpCalls, fd: number, timeoutMs: number): void {
  const time = new BigInt64Array(new ArrayBuffer(16));
  // Zero would be for ever.
  const ms = Math.max(1, Math.ceil(timeoutMs));
  time[0] = BigInt(Math.floor(ms / 1000));
  time[1] = BigInt((ms % 1000) * 1000);
  const address = calls.addressOf(time.buffer as ArrayBuffer);
  calls.setsockopt(fd, linux.SOL_SOCKET, linux.SO_RCVTIMEO, address, 16);
  calls.setsockopt(fd, linux.SOL_SOCKET, linux.SO_SNDTIMEO, address, 16);
}

/** Where a socket is bound. @throws Error where the descriptor is no socket */
export function nameOfSocket(calls: UdpCalls, fd: number): { length: 4 | 16; address: Uint8Array; port: number } {
  const bytes = new Uint8Array(new ArrayBuffer(32));
  const length = new Int32Array(new ArrayBuffer(8));
  length[0] = bytes.length;
  const { buffer } = length as Int32Array<ArrayBuffer>;
  if (calls.getsockname(fd, calls.addressOf(bytes.buffer as ArrayBuffer), calls.addressOf(buffer)) < 0) {
    throw new Error(`no socket: errno ${calls.errno()}`);
  }
  const isSix = bytes[0] === linux.AF_INET6;
  const port = ((bytes[2] as number) << 8) | (bytes[3] as number);
  return { length: isSix ? 16 : 4, address: isSix ? bytes.slice(8, 24) : bytes.slice(4, 8), port };
}

/** `sockaddr_in` or, for an IPv6 socket, `sockaddr_in6`. @returns undefined for an IPv6 address on an IPv4 socket, or no address */
export function encodeName(to: { host: string; port: number }, isSix: boolean): Uint8Array<ArrayBuffer> | undefined {
  const ip = parseIp(to.host);
  if (ip === undefined || (ip.length === 16 && !isSix)) return undefined;
  const name = new Uint8Array(new ArrayBuffer(isSix ? 28 : 16));
  name[0] = isSix ? linux.AF_INET6 : linux.AF_INET;
  name[2] = to.port >>> 8;
  name[3] = to.port;
  if (!isSix) name.set(ip, 4);
  else if (ip.length === 16) name.set(ip, 8);
  else {
    name.set([0xff, 0xff], 18);
    name.set(ip, 20);
  }
  return name;
}

function listenError(calls: UdpCalls, at: { host: string; port: number }): Error {
  const errno = calls.errno();
  const codes: Readonly<Record<number, string>> = {
    [linux.EACCES]: 'EACCES',
    [linux.EADDRINUSE]: 'EADDRINUSE',
    [linux.EADDRNOTAVAIL]: 'EADDRNOTAVAIL',
  };
  return toListenError({ code: codes[errno] ?? `errno ${errno}` }, at);
}

/** Has the system tell of each datagram which of our addresses it came to, where the socket listens on all of them. @returns whether it does */
export function tellsTarget(calls: UdpCalls, fd: number): boolean {
  const { length, address } = nameOfSocket(calls, fd);
  if (address.some((byte) => byte !== 0)) return false;
  const isSet =
    length === 16
      ? setOption(calls, fd, linux.IPPROTO_IPV6, linux.IPV6_RECVPKTINFO, 1)
      : setOption(calls, fd, linux.IPPROTO_IP, linux.IP_PKTINFO, 1);
  return isSet === 0;
}
