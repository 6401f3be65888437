import { html } from 'hono/html';
import { formatBytes } from '../../base/index.ts';
import { goodKinds, transports } from './counts.ts';
import { type Markup, renderPage } from './page.ts';
import type { TrackerFacts } from './ports.ts';
import type { StatsDocument } from './stats-document.ts';

const names: Readonly<Record<string, string>> = { udp: 'UDP', http: 'HTTP', ws: 'WebSocket' };
const WIDTH = 600;
const HEIGHT = 80;

/** The page at `/`: what the tracker does, for people. */
export function renderStatsPage(facts: TrackerFacts, s: StatsDocument, links: readonly PageLink[]): Markup {
  const main = html`
<div class="head"><h1>${facts.title}</h1>${renderHealth(s)}<span class="dim">Eider ${s.version}, up ${formatUptime(s.uptimeSec)}</span></div>
<div class="grid">
${tile('torrents', s.torrents)}${tile('seeders', s.seeders)}${tile('leechers', s.leechers)}
${tile('IPv4 peers', s.peers.ipv4)}${tile('IPv6 peers', s.peers.ipv6)}${tile('web peers', s.peers.webrtc)}
</div>
${renderRates(s)}
${renderUrls(facts)}
${renderRequests(s)}
${renderSwarms(s)}
${renderClients(s)}
${renderMachine(s)}
<p class="dim">${links.map((link, i) => html`${i === 0 ? '' : ' · '}<a href="${link.href}">${link.text}</a>`)}</p>`;
  return renderPage({ title: facts.title, isLive: true, main });
}

export interface PageLink {
  readonly href: string;
  readonly text: string;
}

function tile(name: string, value: number): Markup {
  return html`<div class="card"><div class="big">${formatNumber(value)}</div><div class="dim">${name}</div></div>`;
}

function renderHealth({ health }: StatsDocument): Markup {
  if (health.state === 'ok') return html`<span class="good">● well</span>`;
  return html`<span class="bad">● ${health.state}: ${health.reasons.join('; ')}</span>`;
}

function renderRates({ history }: StatsDocument): Markup {
  const rates = history.announceRates;
  const used = transports.filter((t) => rates[t]?.some((rate) => rate > 0) === true);
  const most = Math.max(1, ...used.flatMap((t) => rates[t] ?? []));
  const minutes = Math.round(((rates['udp']?.length ?? 0) * history.stepMs) / 60_000);
  return html`<section class="card"><h2>announces per second, last ${minutes < 2 ? 'minutes' : `${minutes} minutes`}${used.length === 0 ? '' : `, at most ${formatRate(most)}`}</h2>
${
  used.length === 0
    ? ''
    : html`<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none" role="img" aria-label="announces per second by transport">
${used.map((t) => html`<polyline class="${t}" points="${toPoints(rates[t] ?? [], most)}"/>`)}</svg>`
}
<div class="key">${used.length === 0 ? html`<span class="dim">none yet</span>` : used.map((t) => html`<span class="${t}">${names[t]} ${formatRate(rates[t]?.at(-1) ?? 0)}/s</span>`)}</div></section>`;
}

/** The samples from left to right over the whole width, zero at the bottom. */
function toPoints(values: readonly number[], most: number): string {
  const step = WIDTH / Math.max(1, values.length - 1);
  return values
    .map((v, i) => `${(i * step).toFixed(1)},${(HEIGHT - 2 - (v / most) * (HEIGHT - 4)).toFixed(1)}`)
    .join(' ');
}

function renderUrls(facts: TrackerFacts): Markup | string {
  const urls = facts.announceUrls();
  if (urls.length === 0 || facts.isPrivate) return '';
  return html`<section class="card"><h2>announce URLs</h2>${urls.map((url) => html`<div><code>${url}</code></div>`)}</section>`;
}

function renderRequests({ requests, connections }: StatsDocument): Markup {
  const rows = Object.entries(requests).map(([transport, kinds]) => {
    const others = Object.entries(kinds).filter(([kind, count]) => !goodKinds.has(kind) && count > 0);
    return html`<tr><td>${names[transport] ?? transport}</td><td class="n">${formatNumber(kinds['announce'] ?? 0)}</td><td class="n">${formatNumber(kinds['scrape'] ?? 0)}</td><td class="n">${transport in connections ? formatNumber(connections[transport] ?? 0) : ''}</td><td class="dim">${others.map(([kind, count]) => `${kind.replaceAll('_', ' ')} ${formatNumber(count)}`).join(', ')}</td></tr>`;
  });
  return html`<section class="card scroll"><h2>requests since the start</h2><table><tr><th></th><th class="n">announces</th><th class="n">scrapes</th><th class="n">connections</th><th>not answered as asked</th></tr>${rows}</table></section>`;
}

function renderSwarms({ topSwarms }: StatsDocument): Markup | string {
  if (topSwarms === null || topSwarms.length === 0) return '';
  return html`<section class="card scroll"><h2>largest swarms</h2><table><tr><th>torrent</th><th class="n">seeders</th><th class="n">leechers</th><th class="n">downloads</th></tr>
${topSwarms.map((s) => html`<tr><td><a href="magnet:?xt=urn:btih:${s.infoHash}">${s.name ?? html`<code>${s.infoHash}</code>`}</a></td><td class="n">${formatNumber(s.seeders)}</td><td class="n">${formatNumber(s.leechers)}</td><td class="n">${formatNumber(s.downloads)}</td></tr>`)}</table></section>`;
}

function renderClients({ clients }: StatsDocument): Markup | string {
  if (clients === null || clients.length === 0) return '';
  const all = clients.reduce((sum, client) => sum + client.count, 0);
  return html`<section class="card"><h2>clients</h2><table>${clients.slice(0, 15).map((c) => html`<tr><td><code>${c.prefix}</code></td><td class="n">${((c.count / Math.max(1, all)) * 100).toFixed(1)} %</td></tr>`)}</table></section>`;
}

function renderMachine(s: StatsDocument): Markup {
  const { process: p, replication: r } = s;
  const peers = s.peers.ipv4 + s.peers.ipv6 + s.peers.webrtc;
  return html`<section class="card scroll"><h2>this machine</h2><table>
<tr><td>memory</td><td class="n">${formatBytes(p.residentBytes)}</td><td class="dim">${peers > 1_000 ? `${Math.round(p.residentBytes / peers)} bytes a peer, all included` : ''}</td></tr>
<tr><td>of it the store</td><td class="n">${s.storeBytes === null ? '' : formatBytes(s.storeBytes)}</td><td class="dim"></td></tr>
<tr><td>CPU time</td><td class="n">${formatUptime(p.cpuSec)}</td><td></td></tr>
<tr><td>longest delay lately</td><td class="n">${p.loopLagMs.toFixed(0)} ms</td><td></td></tr>
${r === null ? '' : html`<tr><td>replication</td><td class="n">${r.isConnected ? 'connected' : html`<span class="bad">away</span>`}</td><td class="dim">${r.others.length === 0 ? 'no other tracker is here' : html`with ${r.others.join(', ')}, ${Math.round(r.lagMs)} ms behind`}</td></tr>`}
</table></section>`;
}

function formatNumber(value: number): string {
  return value.toLocaleString('en').replaceAll(',', '\u202f');
}

function formatRate(value: number): string {
  return value >= 100 ? formatNumber(Math.round(value)) : value.toFixed(1);
}

function formatUptime(sec: number): string {
  const days = Math.floor(sec / 86_400);
  const hours = Math.floor((sec % 86_400) / 3_600);
  const minutes = Math.floor((sec % 3_600) / 60);
  if (days > 0) return `${days} d ${hours} h`;
  return hours > 0 ? `${hours} h ${minutes} min` : `${minutes} min ${Math.floor(sec % 60)} s`;
}
