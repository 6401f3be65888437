import { compareBytes, equalBytes, type PeerAddress, parseIp, writeU16 } from '../base/index.ts';

const crcTable: Uint32Array = toCrcTable();

/** CRC-32C (Castagnoli, RFC 3720 B.4): reflected polynomial 0x82f63b78, as u32. */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffff_ffff;
  for (let i = 0; i < bytes.length; i++) {
    crc = (crcTable[(crc ^ (bytes[i] as number)) & 0xff] as number) ^ (crc >>> 8);
  }
  return ~crc >>> 0;
}

/**
 * Canonical peer priority (BEP 40): a number both ends of a connection agree on, and nobody can choose. Higher is better.
 *
 * The hash is over the two masked addresses, smaller first; over the two ports if the addresses are the same. The further the
 * addresses agree, the more of them is looked at, so that one network cannot fill a swarm.
 *
 * @returns u32, or undefined where the hosts are not numeric or not of the same family
 */
export function peerPriority(a: PeerAddress, b: PeerAddress): number | undefined {
  const hashed = priorityInput(a, b);
  return hashed === undefined ? undefined : crc32c(hashed);
}

/** The bytes that `peerPriority` hashes: 4 (ports), 8 (IPv4) or 32 (IPv6). */
export function priorityInput(a: PeerAddress, b: PeerAddress): Uint8Array | undefined {
  const ipA = parseIp(a.host);
  const ipB = parseIp(b.host);
  if (ipA === undefined || ipB === undefined || ipA.length !== ipB.length) return undefined;
  if (equalBytes(ipA, ipB)) {
    const ports = new Uint8Array(4);
    writeU16(ports, 0, Math.min(a.port, b.port));
    writeU16(ports, 2, Math.max(a.port, b.port));
    return ports;
  }
  const open = openBytes(ipA, ipB);
  const isSorted = compareBytes(ipA, ipB) <= 0;
  const out = new Uint8Array(ipA.length * 2);
  maskInto(out, 0, isSorted ? ipA : ipB, open);
  maskInto(out, ipA.length, isSorted ? ipB : ipA, open);
  return out;
}

/**
 * Leading bytes that are hashed in full; of the others every second bit is (mask 0x55).
 * IPv4: 2, 3 in the same /16, 4 in the same /24. IPv6: 6, then one more for every byte in common past the fourth. The BEP would
 * begin that at the sixth; both ends must agree to be of use, and this is what libtorrent's test vectors have.
 */
function openBytes(a: Uint8Array, b: Uint8Array): number {
  let common = 0;
  while (common < a.length && a[common] === b[common]) common++;
  return a.length === 4 ? Math.max(2, common + 1) : Math.min(16, Math.max(6, common + 2));
}

function maskInto(out: Uint8Array, at: number, ip: Uint8Array, open: number): void {
  for (let i = 0; i < ip.length; i++) out[at + i] = (ip[i] as number) & (i < open ? 0xff : 0x55);
}

function toCrcTable(): Uint32Array {
  const table = new Uint32Array(256);
  for (let i = 0; i < 256; i++) {
    let crc = i;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 0 ? crc >>> 1 : (crc >>> 1) ^ 0x82f6_3b78;
    table[i] = crc;
  }
  return table;
}
