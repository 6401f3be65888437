import { html } from 'hono/html';
import { formatBytes } from '../../base/index.ts';
import type { TorrentFile } from '../../metainfo/index.ts';
import type { ScrapeCounts } from '../../wire/index.ts';
import { catalogueLimits } from '../limits.ts';
import type { Markup } from '../web/page.ts';
import type { CatalogueOrder, CatalogueQuery } from './catalogue.ts';
import { type CatalogueEntry, magnetOf } from './entry.ts';
import type { FormFields } from './form.ts';

export interface ListRow {
  readonly entry: CatalogueEntry;
  readonly counts: ScrapeCounts;
}

const orders: readonly (readonly [CatalogueOrder, string])[] = [
  ['newest', 'newest first'],
  ['seeders', 'most seeders'],
  ['name', 'by name'],
  ['size', 'largest first'],
];

/** The list with its search form. */
export function listPage(o: {
  query: CatalogueQuery;
  rows: readonly ListRow[];
  total: number;
  /** From 1. */
  page: number;
  categories: ReadonlyMap<string, number>;
  mayUpload: boolean;
}): Markup {
  const { query, rows, total, page } = o;
  const lastPage = Math.max(1, Math.ceil(total / catalogueLimits.pageRows));
  const href = (over: CatalogueQuery & { page?: number }) => `/torrents${toQuery({ ...query, ...over })}`;
  return html`<h1>Torrents</h1>
<form action="/torrents" role="search">
<input type="search" name="q" value="${query.words ?? ''}" placeholder="Search" aria-label="Search">
<select name="category" aria-label="Category"><option value="">all categories</option>
${[...o.categories].filter(([name]) => name !== '').map(([name, count]) => option(name, `${name} (${count})`, query.category === name))}</select>
<select name="order" aria-label="Order">${orders.map(([name, text]) => option(name, text, (query.order ?? 'newest') === name))}</select>
<button>Search</button></form>
<p>${total} ${total === 1 ? 'torrent' : 'torrents'} · <a href="/torrents/feed.xml${toQuery(query)}">feed</a>${
    o.mayUpload ? html` · <a href="/torrents/upload">add one</a>` : ''
  }</p>
<div class="scroll"><table><thead><tr><th>Name</th><th class="n">Size</th><th>Added</th><th class="n">Seeders</th><th class="n">Leechers</th><th class="n">Snatches</th></tr></thead><tbody>
${rows.map(
  ({
    entry,
    counts,
  }) => html`<tr><td><a href="/torrents/${entry.id}">${entry.title}</a>${entry.tags.map((tag) => html` <a class="tag" href="${href({ tag })}">${tag}</a>`)}</td>
<td class="n">${entry.torrent === undefined ? 'magnet' : formatBytes(entry.torrent.totalLength)}</td><td>${formatDay(entry.addedAt)}</td>
<td class="n">${counts.complete}</td><td class="n">${counts.incomplete}</td><td class="n">${counts.downloaded}</td></tr>`,
)}</tbody></table></div>
<p>${page > 1 ? html`<a rel="prev" href="${href({ page: page - 1 })}">previous</a> ` : ''}page ${page} of ${lastPage}${
    page < lastPage ? html` <a rel="next" href="${href({ page: page + 1 })}">next</a>` : ''
  }</p>`;
}

/** One torrent with its live counts. @param o.torrent undefined: only a magnet link is known */
export function torrentPage(o: {
  entry: CatalogueEntry;
  torrent: TorrentFile | undefined;
  counts: ScrapeCounts;
  announceUrls: readonly string[];
}): Markup {
  const { entry, torrent, counts } = o;
  const files = torrent?.info.files ?? [];
  const facts: (readonly [string, string])[] = [
    ['Seeders', `${counts.complete}`],
    ['Leechers', `${counts.incomplete}`],
    ['Snatches', `${counts.downloaded}`],
    ['Added', `${formatDay(entry.addedAt)}${entry.addedBy === '' ? '' : ` by ${entry.addedBy}`}`],
    ...(entry.category === '' ? [] : [['Category', entry.category] as const]),
    ...(torrent === undefined
      ? []
      : [
          ['Size', formatBytes(torrent.info.totalLength)] as const,
          ['Pieces', `${torrent.info.pieceCount} of ${formatBytes(torrent.info.pieceLength)}`] as const,
          ['Format', `${torrent.info.format}${torrent.info.isPrivate ? ', private' : ''}`] as const,
        ]),
    ...(entry.hashV1 === undefined ? [] : [['Info-hash v1', entry.hashV1] as const]),
    ...(entry.hashV2 === undefined ? [] : [['Info-hash v2', entry.hashV2] as const]),
  ];
  const shown = files.slice(0, catalogueLimits.filesShown);
  return html`<h1>${entry.title}</h1>
<p>${torrent === undefined ? '' : html`<a class="button" href="/torrents/${entry.id}.torrent">Download .torrent</a> `}<a class="button" href="${magnetOf(entry, o.announceUrls)}">Magnet link</a></p>
<dl>${facts.map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)}</dl>
${entry.tags.length === 0 ? '' : html`<p>${entry.tags.map((tag) => html`<a class="tag" href="/torrents${toQuery({ tag })}">${tag}</a> `)}</p>`}
${entry.description === '' ? '' : html`<h2>Description</h2><p class="text">${entry.description}</p>`}
${
  shown.length === 0
    ? ''
    : html`<h2>Files</h2><div class="scroll"><table><tbody>${shown.map(
        (file) => html`<tr><td>${file.path.join('/')}</td><td class="n">${formatBytes(file.length)}</td></tr>`,
      )}</tbody></table></div>${files.length > shown.length ? html`<p>and ${files.length - shown.length} more</p>` : ''}`
}`;
}

/** @param o.form what was sent and refused: nobody should have to write a description twice */
export function uploadPage(o: { problem?: string; categories: Iterable<string>; form?: FormFields }): Markup {
  const sent = (name: string) => o.form?.text(name) ?? '';
  return html`<h1>Add a torrent</h1>
${o.problem === undefined ? '' : html`<p class="problem" role="alert">${o.problem}</p>`}
<form method="post" enctype="multipart/form-data" class="tall">
<label>Your token or passkey <input type="password" name="token" required autocomplete="current-password"></label>
<label>Torrent file <input type="file" name="file" accept=".torrent,application/x-bittorrent"></label>
<label>or magnet link <input name="magnet" value="${sent('magnet')}" placeholder="magnet:?xt=..."></label>
<label>Title <input name="title" value="${sent('title')}" maxlength="${catalogueLimits.titleCharsMax}" placeholder="the torrent's own name"></label>
<label>Category <input name="category" value="${sent('category')}" list="categories" maxlength="${catalogueLimits.wordCharsMax}"></label>
<datalist id="categories">${[...o.categories].filter((name) => name !== '').map((name) => html`<option value="${name}"></option>`)}</datalist>
<label>Tags, with commas <input name="tags" value="${sent('tags')}"></label>
<label>Description <textarea name="description" rows="6" maxlength="${catalogueLimits.descriptionCharsMax}">${sent('description')}</textarea></label>
<button>Add</button></form>`;
}

export function loginPage(problem?: string): Markup {
  return html`<h1>Members only</h1>
${problem === undefined ? '' : html`<p class="problem" role="alert">${problem}</p>`}
<form method="post" action="/torrents/login" class="tall">
<label>Passkey <input type="password" name="passkey" required autocomplete="current-password"></label>
<button>Enter</button></form>`;
}

export function messagePage(text: string): Markup {
  return html`<h1>${text}</h1><p><a href="/torrents">All torrents</a></p>`;
}

function option(value: string, text: string, isChosen: boolean): Markup {
  return isChosen
    ? html`<option value="${value}" selected>${text}</option>`
    : html`<option value="${value}">${text}</option>`;
}

/** `?...` of a list, or nothing. */
export function toQuery(query: CatalogueQuery & { page?: number; passkey?: string }): string {
  const { words, category, tag, order, page, passkey } = query;
  const parameters = new URLSearchParams();
  if (words !== undefined && words !== '') parameters.set('q', words);
  if (category !== undefined && category !== '') parameters.set('category', category);
  if (tag !== undefined && tag !== '') parameters.set('tag', tag);
  if (order !== undefined && order !== 'newest') parameters.set('order', order);
  if (page !== undefined && page > 1) parameters.set('page', `${page}`);
  if (passkey !== undefined) parameters.set('passkey', passkey);
  const text = parameters.toString();
  return text === '' ? '' : `?${text}`;
}

function formatDay(sec: number): string {
  return new Date(sec * 1000).toISOString().slice(0, 10);
}
