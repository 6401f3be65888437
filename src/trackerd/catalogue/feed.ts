import { type CatalogueEntry, magnetOf } from './entry.ts';

/** What a feed says about itself and where its links lead. */
export interface FeedFrame {
  readonly title: string;
  /** Of the page that shows the same list. */
  readonly link: string;
  readonly description: string;
  /** Absolute, without a slash at the end: `https://tracker.example`. */
  readonly base: string;
  /** Added to every link to a .torrent: `?passkey=...`, or empty. */
  readonly downloadQuery: string;
  readonly announceUrls: readonly string[];
}

/**
 * RSS 2.0 with an enclosure for each torrent, as the feed readers of clients take it; of an entry without a file the enclosure is its
 * magnet link.
 */
export function formatFeed(frame: FeedFrame, entries: readonly CatalogueEntry[]): string {
  const items = entries.map((entry) => formatItem(frame, entry));
  return (
    '<?xml version="1.0" encoding="UTF-8"?>\n<rss version="2.0"><channel>\n' +
    `${element('title', frame.title)}${element('link', frame.link)}${element('description', frame.description)}` +
    `${items.join('')}</channel></rss>\n`
  );
}

function formatItem(frame: FeedFrame, entry: CatalogueEntry): string {
  const magnet = magnetOf(entry, frame.announceUrls);
  const hasFile = entry.torrent !== undefined;
  const url = hasFile ? `${frame.base}/torrents/${entry.id}.torrent${frame.downloadQuery}` : magnet;
  const categories = [entry.category, ...entry.tags].filter((word) => word !== '');
  return (
    '<item>\n' +
    element('title', entry.title) +
    element('link', `${frame.base}/torrents/${entry.id}`) +
    `<guid isPermaLink="false">${entry.id}</guid>\n` +
    element('pubDate', new Date(entry.addedAt * 1000).toUTCString()) +
    categories.map((word) => element('category', word)).join('') +
    (entry.description === '' ? '' : element('description', entry.description)) +
    `<enclosure url="${escapeXml(url)}" length="${entry.torrent?.totalLength ?? 0}" type="application/x-bittorrent"/>\n` +
    '</item>\n'
  );
}

function element(name: string, text: string): string {
  return `<${name}>${escapeXml(text)}</${name}>\n`;
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&apos;',
};

/** Characters that XML 1.0 cannot hold are left out. */
export function escapeXml(text: string): string {
  return text
    .replace(/[^\t\n\r\u{20}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]/gu, '')
    .replace(/[&<>"']/g, (char) => entities[char] as string);
}
