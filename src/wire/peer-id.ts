import { assert, type PeerId } from '../base/index.ts';

/** Azureus style (BEP 20): `ED`, version 0.1.0.0. */
export const eiderIdPrefix = '-ED0100-';

/** @param random 12 unpredictable bytes, copied */
export function makePeerId(random: Uint8Array): PeerId {
  assert(random.length === 20 - eiderIdPrefix.length, 'a peer id takes 12 random bytes');
  const id = new Uint8Array(20);
  for (let i = 0; i < eiderIdPrefix.length; i++) id[i] = eiderIdPrefix.charCodeAt(i);
  id.set(random, eiderIdPrefix.length);
  return id as PeerId;
}

/**
 * Client name and version out of a peer id (BEP 20), for people. Ids are claims: never decide anything by them.
 *
 * @param id 20 bytes, or any other number of them
 * @returns printable text of at most 60 characters, `Transmission 4.0.6` or, where nothing is recognised, the id's beginning with
 * bytes that do not print as %xx
 */
export function describePeerId(id: Uint8Array): string {
  const text = toLatin(id);
  return (
    describeAzureus(text) ?? describeMainline(text) ?? describeSpecial(text) ?? describeShadow(text) ?? printable(id)
  );
}

/** How a client writes four version characters. */
type Scheme =
  /** 1.2.3, and the fourth where it is a digit other than 0 */
  | 'short'
  /** 1.2.3.4 */
  | 'four'
  /** 1.2.3 */
  | 'three'
  /** 12.34 */
  | 'two-two'
  | 'transmission'
  | 'torrent'
  | 'libtorrent';

const azureusClients: Readonly<Record<string, readonly [name: string, scheme: Scheme]>> = {
  '7T': ['aTorrent', 'three'],
  AG: ['Ares', 'four'],
  AN: ['Ares', 'four'],
  AT: ['Artemis', 'four'],
  AX: ['BitPump', 'two-two'],
  AZ: ['Azureus', 'four'],
  'A~': ['Ares', 'three'],
  BC: ['BitComet', 'two-two'],
  BE: ['BitTorrent SDK', 'four'],
  BF: ['BitFlu', 'four'],
  BG: ['BTGetit', 'four'],
  BI: ['BiglyBT', 'four'],
  BL: ['BitLord', 'four'],
  BN: ['Baidu Netdisk', 'four'],
  BP: ['BitTorrent Pro', 'four'],
  BR: ['BitRocket', 'four'],
  BT: ['BitTorrent', 'torrent'],
  BW: ['BitWombat', 'four'],
  CD: ['Enhanced CTorrent', 'two-two'],
  CT: ['CTorrent', 'two-two'],
  DE: ['Deluge', 'short'],
  DP: ['Propagate', 'four'],
  EB: ['EBit', 'four'],
  ED: ['Eider', 'three'],
  ES: ['Electric Sheep', 'three'],
  FD: ['Free Download Manager', 'three'],
  FG: ['FlashGet', 'two-two'],
  FL: ['Folx', 'two-two'],
  FW: ['FrostWire', 'three'],
  FX: ['Freebox', 'two-two'],
  GS: ['GSTorrent', 'four'],
  HL: ['Halite', 'three'],
  KG: ['KGet', 'four'],
  KT: ['KTorrent', 'three'],
  LC: ['LeechCraft', 'four'],
  LH: ['LH-ABC', 'four'],
  LP: ['Lphant', 'two-two'],
  LT: ['libtorrent (Rasterbar)', 'libtorrent'],
  LW: ['LimeWire', 'short'],
  MG: ['MediaGet', 'two-two'],
  MP: ['MooPolice', 'three'],
  MR: ['Miro', 'four'],
  MT: ['MoonlightTorrent', 'four'],
  OP: ['Opera', 'four'],
  PI: ['PicoTorrent', 'three'],
  QD: ['QQDownload', 'four'],
  RT: ['Retriever', 'four'],
  SD: ['Xunlei', 'four'],
  SP: ['BitSpirit', 'three'],
  ST: ['SymTorrent', 'four'],
  SZ: ['Shareaza', 'four'],
  TB: ['Torch', 'four'],
  TL: ['Tribler', 'three'],
  TR: ['Transmission', 'transmission'],
  TS: ['TorrentStorm', 'four'],
  TT: ['TuoTu', 'three'],
  UL: ['uLeecher!', 'four'],
  UM: ['µTorrent Mac', 'torrent'],
  UT: ['µTorrent', 'torrent'],
  UW: ['µTorrent Web', 'torrent'],
  VG: ['Vagaa', 'four'],
  WD: ['WebTorrent Desktop', 'four'],
  WT: ['BitLet', 'four'],
  WW: ['WebTorrent', 'four'],
  XF: ['Xfplay', 'three'],
  XL: ['Xunlei', 'four'],
  XT: ['XanTorrent', 'four'],
  ZO: ['Zona', 'four'],
  lt: ['libTorrent (Rakshasa)', 'libtorrent'],
  pX: ['pHoeniX', 'four'],
  qB: ['qBittorrent', 'short'],
  st: ['SharkTorrent', 'four'],
};

/** `-XX1234-` and twelve free bytes. */
function describeAzureus(text: string): string | undefined {
  const match = /^-([A-Za-z0-9~]{2})([0-9A-Za-z]{4})-/.exec(text);
  if (match === null) return undefined;
  const code = match[1] as string;
  const version = match[2] as string;
  const client = Object.hasOwn(azureusClients, code) ? azureusClients[code] : undefined;
  if (client === undefined) return `${code} ${formatVersion(version, 'short')}`;
  return `${client[0]} ${formatVersion(version, client[1])}`;
}

function formatVersion(version: string, scheme: Scheme): string {
  const digits = [...version].map(toDigit);
  const [a, b, c, d] = digits as [number, number, number, number];
  switch (scheme) {
    case 'four':
    case 'libtorrent':
      return digits.join('.');
    case 'three':
      return `${a}.${b}.${c}`;
    case 'short':
      return d === 0 ? `${a}.${b}.${c}` : digits.join('.');
    case 'two-two':
      return `${a * 10 + b}.${c}${d}`;
    case 'torrent':
      return `${a}.${b}.${c}${version.endsWith('B') ? ' (Beta)' : ''}`;
    case 'transmission':
      return formatTransmission(version);
  }
}

/** `0006` 0.6 · `0072` 0.72 · `111Z` 1.11 (Dev) · since 3.00 four digits, then 4.0.6 as `4060` */
function formatTransmission(version: string): string {
  const [a, b, c, d] = [...version] as [string, string, string, string];
  if (version.startsWith('000')) return `0.${d}`;
  if (version.startsWith('00')) return `0.${c}${d}`;
  const suffix = d === 'Z' || d === 'X' ? ' (Dev)' : d === 'B' ? ' (Beta)' : '';
  return toDigit(a) >= 4 ? `${toDigit(a)}.${toDigit(b)}.${toDigit(c)}${suffix}` : `${toDigit(a)}.${b}${c}${suffix}`;
}

/** Digits, then letters: A 10 .. Z 35, a 36 .. z 61. */
function toDigit(c: string): number {
  if (c >= '0' && c <= '9') return c.charCodeAt(0) - 48;
  return c >= 'A' && c <= 'Z' ? c.charCodeAt(0) - 55 : c.charCodeAt(0) - 61;
}

/** `M4-3-6--` of the original client, `Q1-10-0-`: a letter, numbers and dashes. */
function describeMainline(text: string): string | undefined {
  const match = /^([MQ])(\d{1,2})-(\d{1,2})-(\d{1,2})-/.exec(text);
  if (match === null) return undefined;
  return `${match[1] === 'M' ? 'BitTorrent' : 'Queen Bee'} ${match[2]}.${match[3]}.${match[4]}`;
}

/** Clients with a form of their own. */
function describeSpecial(text: string): string | undefined {
  const aria2 = /^A2-(\d{1,2})-(\d{1,3})-(\d{1,2})-/.exec(text);
  if (aria2 !== null) return `aria2 ${aria2[1]}.${aria2[2]}.${aria2[3]}`;
  const tixati = /^TIX(\d{2})(\d{2})/.exec(text);
  if (tixati !== null) return `Tixati ${Number(tixati[1])}.${tixati[2]}`;
  const bitComet = /^(?:exbc|FUTB)([\0-\x63])([\0-\x63])(LORD)?/.exec(text);
  if (bitComet !== null) {
    const minor = String((bitComet[2] as string).charCodeAt(0)).padStart(2, '0');
    return `${bitComet[3] === undefined ? 'BitComet' : 'BitLord'} ${(bitComet[1] as string).charCodeAt(0)}.${minor}`;
  }
  const xbt = /^XBT(\d)(\d)(\d)/.exec(text);
  if (xbt !== null) return `XBT Client ${xbt[1]}.${xbt[2]}.${xbt[3]}`;
  if (text.startsWith('-G3')) return 'G3 Torrent';
  if (text.startsWith('btpd/')) return 'BT Protocol Daemon';
  if (text.startsWith('Plus')) return 'Plus!';
  return /^\0{12}/.test(text) ? 'Generic' : undefined;
}

const shadowClients: Readonly<Record<string, string>> = {
  A: 'ABC',
  O: 'Osprey Permaseed',
  Q: 'BTQueue',
  R: 'Tribler',
  S: 'Shad0w',
  T: 'BitTornado',
  U: 'UPnP NAT Bit Torrent',
};

const SHADOW_DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz.-';

/** `S58B-----` of John Hoffman's client and its kin: a letter and up to five version characters, filled up with dashes. */
function describeShadow(text: string): string | undefined {
  const match = /^([AOQRSTU])([0-9A-Za-z.]{1,5}?)(-+)/.exec(text);
  if (match === null || (match[2] as string).length + (match[3] as string).length < 5) return undefined;
  const numbers = [...(match[2] as string)].map((c) => SHADOW_DIGITS.indexOf(c));
  return `${shadowClients[match[1] as string]} ${numbers.join('.')}`;
}

function toLatin(bytes: Uint8Array): string {
  let out = '';
  for (let i = 0; i < bytes.length && i < 20; i++) out += String.fromCharCode(bytes[i] as number);
  return out;
}

/** The first eight bytes, like a URL: an id must not be able to move a terminal's cursor or break a line of a log. */
function printable(id: Uint8Array): string {
  let out = '';
  for (let i = 0; i < id.length && i < 8; i++) {
    const byte = id[i] as number;
    if (byte > 0x20 && byte < 0x7f && byte !== 0x25) out += String.fromCharCode(byte);
    else out += `%${byte.toString(16).padStart(2, '0').toUpperCase()}`;
  }
  return out;
}
