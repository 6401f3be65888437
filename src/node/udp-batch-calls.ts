/**
 * The system calls behind `UdpBatch`, as plain functions of numbers: descriptors, lengths, and addresses of memory that the caller keeps
 * alive and in place. All return -1 on failure and leave the reason in `errno`.
 */
export interface UdpCalls {
  socket(family: number, type: number, protocol: number): number;
  bind(fd: number, name: number, nameBytes: number): number;
  getsockname(fd: number, name: number, nameBytes: number): number;
  setsockopt(fd: number, level: number, option: number, value: number, valueBytes: number): number;
  getsockopt(fd: number, level: number, option: number, value: number, valueBytes: number): number;
  recvmmsg(fd: number, messages: number, count: number, flags: number, timeout: number): number;
  sendmmsg(fd: number, messages: number, count: number, flags: number): number;
  poll(fds: number, count: number, timeoutMs: number): number;
  usleep(microseconds: number): number;
  close(fd: number): number;
  errno(): number;
  /** Where the bytes of a buffer are; they never move, and live as long as the buffer is referred to. */
  addressOf(buffer: ArrayBuffer): number;
}

/** Linux on x64 and arm64: both have these values. */
export const linux = {
  AF_INET: 2,
  AF_INET6: 10,
  SOCK_DGRAM: 2,
  SOCK_CLOEXEC: 0x8_0000,
  SOL_SOCKET: 1,
  SO_SNDBUF: 7,
  SO_RCVBUF: 8,
  SO_REUSEPORT: 15,
  SO_RCVTIMEO: 20,
  SO_SNDTIMEO: 21,
  /** Beyond the system's limit, for who may (CAP_NET_ADMIN). */
  SO_RCVBUFFORCE: 33,
  SO_MEMINFO: 55,
  IPPROTO_IP: 0,
  IP_PKTINFO: 8,
  IPPROTO_IPV6: 41,
  IPV6_V6ONLY: 26,
  IPV6_RECVPKTINFO: 49,
  MSG_TRUNC: 0x20,
  MSG_DONTWAIT: 0x40,
  MSG_WAITFORONE: 0x1_0000,
  POLLIN: 1,
  EINTR: 4,
  EAGAIN: 11,
  EACCES: 13,
  EADDRINUSE: 98,
  EADDRNOTAVAIL: 99,
  ENOBUFS: 105,
} as const;

/** What stands in the way of batched system calls here. */
export interface UdpBatchUnavailable {
  readonly isAvailable: false;
  /** For people. */
  readonly reason: string;
}

export type UdpCallsLoad = { readonly isAvailable: true; readonly calls: UdpCalls } | UdpBatchUnavailable;

let loading: Promise<UdpCallsLoad> | undefined;

/** Loads the system calls once a thread. Never fails: says why there are none instead. */
export function loadUdpCalls(): Promise<UdpCallsLoad> {
  loading ??= load();
  return loading;
}

async function load(): Promise<UdpCallsLoad> {
  const { platform, arch } = process;
  if (platform !== 'linux' || (arch !== 'x64' && arch !== 'arm64')) {
    return {
      isAvailable: false,
      reason: `batched system calls need Linux on x64 or arm64, this is ${platform} ${arch}`,
    };
  }
  // Lets tests and operators do without an optional dependency that is installed.
  if ((process.env['EIDER_WITHOUT'] ?? '').split(',').includes('koffi')) {
    return { isAvailable: false, reason: 'koffi is switched off by EIDER_WITHOUT' };
  }
  try {
    return { isAvailable: true, calls: await bindCalls() };
  } catch (error) {
    return { isAvailable: false, reason: `koffi does not load: ${String(error).split('\n')[0]}` };
  }
}

async function bindCalls(): Promise<UdpCalls> {
  const { default: koffi } = await import('koffi');
  // The C library is part of this process already, whatever it is called here.
  const libc = koffi.load(null);
  const define = <T>(name: string, parameters: string[]): T => libc.func(name, 'int', parameters) as unknown as T;
  const calls: UdpCalls = {
    socket: define('socket', ['int', 'int', 'int']),
    bind: define('bind', ['int', 'uintptr_t', 'uint32_t']),
    getsockname: define('getsockname', ['int', 'uintptr_t', 'uintptr_t']),
    setsockopt: define('setsockopt', ['int', 'int', 'int', 'uintptr_t', 'uint32_t']),
    getsockopt: define('getsockopt', ['int', 'int', 'int', 'uintptr_t', 'uintptr_t']),
    recvmmsg: define('recvmmsg', ['int', 'uintptr_t', 'uint32_t', 'int', 'uintptr_t']),
    sendmmsg: define('sendmmsg', ['int', 'uintptr_t', 'uint32_t', 'int']),
    poll: define('poll', ['uintptr_t', 'ulong', 'int']),
    usleep: define('usleep', ['uint32_t']),
    close: define('close', ['int']),
    errno: () => koffi.errno(),
    addressOf: (buffer) => Number(koffi.address(buffer)),
  };
  return calls;
}
