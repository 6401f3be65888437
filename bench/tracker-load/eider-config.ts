import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { seededRng, toHex } from '#base';

const DENIED = 1_000;

/** What differs between the rows of Eider. */
export interface EiderVariant {
  /** `redis://…` of a server to replicate through. */
  readonly replicateThrough?: string;
  /** How long a silent peer is kept, seconds; default as shipped. */
  readonly peerTtlSec?: number;
}

/**
 * Writes the configuration of a tracker with everything on that a public one would have on: limits by address (too high to refuse the
 * load, but counted for each), a deny list, client rules, pages, metrics, API, catalogue, snapshots, WebTorrent, IPv6.
 *
 * @returns the file
 */
export async function writeEiderConfig(folder: string, variant: EiderVariant): Promise<string> {
  const rng = seededRng(99);
  const denied = Array.from({ length: DENIED }, () => `${toHex(rng.bytes(20))}\n`);
  await writeFile(join(folder, 'denied'), denied.join(''));
  await mkdir(join(folder, 'catalogue'), { recursive: true });
  const tables = [
    '[listen]\nhttp = ["127.0.0.1:0", "[::1]:0"]\nudp = ["127.0.0.1:0", "[::1]:0"]',
    '[udp]\nthreads = 1',
    '[limits]\naddress_requests = 1000000\naddress_unproven = 1000000\naddress_window = "10s"\naddress_exempt_local = false',
    `[lists]\nmode = "deny"\ndeny = ${JSON.stringify(join(folder, 'denied'))}`,
    '[clients]\ndeny = ["-XX", "-YY0001-"]',
    `[snapshot]\nfile = ${JSON.stringify(join(folder, 'swarms'))}`,
    `[catalogue]\nfolder = ${JSON.stringify(join(folder, 'catalogue'))}`,
    '[web]\npage = true\nmetrics = true\ntop_swarms = 10',
    '[admin]\ntoken = "load-load-load-load"',
    '[log]\nlevel = "error"',
  ];
  if (variant.replicateThrough !== undefined) {
    tables.push(`[replication]\nurls = [${JSON.stringify(variant.replicateThrough)}]\nname = "load"`);
  }
  if (variant.peerTtlSec !== undefined) {
    const announce = Math.floor(variant.peerTtlSec / 2);
    tables.push(
      `[intervals]\npeer_ttl = "${variant.peerTtlSec}s"\nannounce = "${announce}s"\njitter = "0s"\nminimum = "1s"`,
    );
  }
  const file = join(folder, 'tracker.toml');
  await writeFile(file, `${tables.join('\n\n')}\n`);
  // The API's token stands in it.
  await chmod(file, 0o600);
  return file;
}
