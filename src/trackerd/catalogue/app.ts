import { type Context, Hono } from 'hono';
import { getCookie, setCookie } from 'hono/cookie';
import { BtError } from '../../base/index.ts';
import { safePart } from '../../metainfo/index.ts';
import { toAddressKey } from '../address-key.ts';
import { catalogueLimits } from '../limits.ts';
import { limitBody } from '../web/body-limit.ts';
import type { Markup } from '../web/page.ts';
import type { CatalogueAccess, CatalogueViewer } from './access.ts';
import { type Catalogue, type CatalogueOrder, type CatalogueQuery, withTrackers } from './catalogue.ts';
import type { CatalogueEntry, CatalogueNotes } from './entry.ts';
import { formatFeed } from './feed.ts';
import { type FormFields, readForm } from './form.ts';
import { listPage, loginPage, messagePage, toQuery, torrentPage, uploadPage } from './pages.ts';
import { type CountsOf, countsOfEntry } from './ranking.ts';

export interface CatalogueAppOptions {
  readonly catalogue: Catalogue;
  readonly countsOf: CountsOf;
  readonly access: CatalogueAccess;
  /** Whether the pages offer to add torrents. */
  readonly mayUpload: () => boolean;
  /** Name of the tracker, in titles. */
  readonly title: string;
  /** Absolute URL of this tracker where it stands behind another name; default: what the visitor asked for. */
  readonly publicUrl?: string;
  /** Puts a page into its frame. */
  readonly frame: (
    c: Context,
    page: { title: string; body: Markup; status?: 200 | 400 | 401 | 404 },
  ) => Response | Promise<Response>;
  /** Address of the visitor. */
  readonly sourceOf: (c: Context) => string;
}

const COOKIE = 'eider_passkey';
const orders: ReadonlySet<string> = new Set<CatalogueOrder>(['newest', 'name', 'size', 'seeders']);

/** The pages of the catalogue, to be mounted at `/torrents`: list, search, feed, a page a torrent, its file, an upload form. */
export function createCatalogueApp(o: CatalogueAppOptions): Hono {
  const app = new Hono();
  const { catalogue, access } = o;
  /** Addresses that an upload is on its way from. */
  const uploading = new Set<string>();

  /** Runs a page for who may look, and shows the door to others. */
  const forViewers =
    (show: (c: Context, viewer: CatalogueViewer) => Response | Promise<Response>) => async (c: Context) => {
      const viewer = access.viewer(passkeyOf(c), baseOf(c, o.publicUrl));
      if (viewer !== undefined) return await show(c, viewer);
      return await o.frame(c, { title: 'Members only', body: loginPage(), status: 401 });
    };
  const notFound = (c: Context) =>
    o.frame(c, { title: 'Not found', body: messagePage('There is no such torrent here.'), status: 404 });

  app.get(
    '/',
    forViewers((c) => {
      const query = readQuery(c);
      const ids = catalogue.find(query);
      const page = Math.max(1, Math.min(Number.parseInt(c.req.query('page') ?? '1', 10) || 1, 1e6));
      const rows = ids
        .slice((page - 1) * catalogueLimits.pageRows, page * catalogueLimits.pageRows)
        .map((id) => catalogue.get(id) as CatalogueEntry)
        .map((entry) => ({ entry, counts: countsOfEntry(entry, o.countsOf) }));
      const body = listPage({
        query,
        rows,
        total: ids.length,
        page,
        categories: catalogue.categories(),
        mayUpload: o.mayUpload(),
      });
      return o.frame(c, { title: 'Torrents', body });
    }),
  );

  app.get(
    '/feed.xml',
    forViewers((c, viewer) => {
      const query = readQuery(c);
      const base = baseOf(c, o.publicUrl);
      const passkey = c.req.query('passkey');
      const entries = catalogue
        .find(query)
        .slice(0, catalogueLimits.pageRows)
        .map((id) => catalogue.get(id) as CatalogueEntry);
      const frame = {
        title: o.title,
        link: `${base}/torrents${toQuery(query)}`,
        description: `Torrents of ${o.title}`,
        base,
        downloadQuery: passkey === undefined ? '' : toQuery({ passkey }),
        announceUrls: viewer.announceUrls,
      };
      return c.body(formatFeed(frame, entries), 200, {
        'Content-Type': 'application/rss+xml; charset=utf-8',
        'Cache-Control': 'no-store',
      });
    }),
  );

  app.get('/upload', (c) =>
    o.frame(c, { title: 'Add a torrent', body: uploadPage({ categories: catalogue.categories().keys() }) }),
  );

  app.post('/upload', limitBody(catalogueLimits.torrentBytesMax + 65_536), async (c) => {
    let form: FormFields | undefined;
    const refuse = (problem: string, status: 400 | 401) =>
      o.frame(c, {
        title: 'Add a torrent',
        body: uploadPage({ problem, categories: catalogue.categories().keys(), ...(form !== undefined && { form }) }),
        status,
      });
    const source = toAddressKey(o.sourceOf(c));
    if (uploading.size >= catalogueLimits.uploadsAtOnceMax || uploading.has(source))
      return await refuse('Too many uploads at once: try again in a moment.', 400);
    uploading.add(source);
    try {
      form = await readForm(c);
      const { text, bytes } = form;
      const addedBy = access.uploader(text('token'), source);
      if (addedBy === undefined) return await refuse('This token may not add torrents.', 401);
      const notes: Partial<CatalogueNotes> = {
        title: text('title'),
        category: text('category'),
        tags: text('tags').split(','),
        description: text('description'),
        addedBy,
      };
      const file = bytes('file');
      let entry: CatalogueEntry;
      if (file !== undefined) entry = catalogue.addTorrent(file, notes);
      else if (text('magnet') !== '') entry = catalogue.addMagnet(text('magnet'), notes);
      else return await refuse('Choose a .torrent file, or give a magnet link.', 400);
      return c.redirect(`/torrents/${entry.id}`, 303);
    } catch (error) {
      if (BtError.is(error, 'client/duplicate')) return await refuse('This torrent is in the catalogue already.', 400);
      if (!BtError.is(error)) throw error;
      return await refuse(error.message, 400);
    } finally {
      uploading.delete(source);
    }
  });

  app.post('/login', limitBody(4_096), async (c) => {
    const passkey = await readForm(c).then(
      (form) => form.text('passkey'),
      () => '',
    );
    if (passkey === '' || access.viewer(passkey, baseOf(c, o.publicUrl)) === undefined) {
      return await o.frame(c, { title: 'Members only', body: loginPage('This passkey is not known.'), status: 401 });
    }
    const secure = baseOf(c, o.publicUrl).startsWith('https:');
    setCookie(c, COOKIE, passkey, { path: '/torrents', httpOnly: true, sameSite: 'Lax', secure });
    return c.redirect('/torrents', 303);
  });

  app.get(
    '/:name',
    forViewers(async (c, viewer) => {
      const match = /^([0-9a-f]{40}|[0-9a-f]{64})(\.torrent)?$/i.exec(c.req.param('name') ?? '');
      const entry = match === null ? undefined : catalogue.get((match[1] as string).toLowerCase());
      if (match === null || entry === undefined) return await notFound(c);
      const torrent = await catalogue.readTorrent(entry).catch((error: unknown) => {
        // The file went away or was changed; what is listed about it is still true.
        if (BtError.is(error)) return undefined;
        throw error;
      });
      if (match[2] === undefined) {
        const counts = countsOfEntry(entry, o.countsOf);
        const body = torrentPage({ entry, torrent, counts, announceUrls: viewer.announceUrls });
        return await o.frame(c, { title: entry.title, body });
      }
      if (torrent === undefined) return await notFound(c);
      return c.body(new Uint8Array(withTrackers(torrent, viewer.announceUrls)), 200, {
        'Content-Type': 'application/x-bittorrent',
        'Content-Disposition': attachment(`${entry.title}.torrent`),
        // It has the passkey of who asks in it, and the name of the host that was asked for.
        'Cache-Control': 'no-store',
      });
    }),
  );
  return app;
}

function passkeyOf(c: Context): string | undefined {
  return c.req.query('passkey') ?? getCookie(c, COOKIE);
}

function baseOf(c: Context, publicUrl: string | undefined): string {
  return publicUrl ?? new URL(c.req.url).origin;
}

function readQuery(c: Context): CatalogueQuery {
  const words = c.req.query('q')?.slice(0, 200);
  const category = c.req.query('category');
  const tag = c.req.query('tag');
  const order = c.req.query('order') ?? '';
  return {
    ...(words !== undefined && words !== '' && { words }),
    ...(category !== undefined && category !== '' && { category }),
    ...(tag !== undefined && tag !== '' && { tag }),
    ...(orders.has(order) && { order: order as CatalogueOrder }),
  };
}

/** RFC 6266: a plain name for old clients, the real one beside it. */
function attachment(name: string): string {
  const safe = safePart(Buffer.from(name));
  return `attachment; filename="${safe.replace(/[^\x20-\x7e]|["\\%]/g, '_')}"; filename*=UTF-8''${encodeURIComponent(safe).replace(/['()*]/g, (char) => `%${char.charCodeAt(0).toString(16)}`)}`;
}
