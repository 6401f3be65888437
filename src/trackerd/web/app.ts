import type { OpenAPIHono } from '@hono/zod-openapi';
import { type Context, Hono } from 'hono';
import { html } from 'hono/html';
import type { Millis } from '../../base/index.ts';
import { webLimits } from '../limits.ts';
import type { AdminGate } from './admin-gate.ts';
import { createAdminApi } from './api.ts';
import { collectFamilies } from './families.ts';
import { historyStepMs, RateHistory } from './history.ts';
import { formatMetrics, metricsContentType } from './metrics.ts';
import { pagePolicy } from './page.ts';
import { type TrackerControl, type TrackerFacts, visitedHost } from './ports.ts';
import { ProcessMeter } from './process-numbers.ts';
import { collectStats, type StatsDocument } from './stats-document.ts';
import { type PageLink, renderStatsPage } from './stats-page.ts';

export interface WebOptions {
  readonly hasPage: boolean;
  readonly hasMetrics: boolean;
  /** Who may use the API; without it there is none. */
  readonly gate?: AdminGate;
  /** Where a request comes from, behind trusted proxies too. @param env `{ incoming }` of the server */
  readonly addressOf: (env: unknown, headers: Headers) => string;
  readonly now: () => Millis;
  readonly onBug: (error: unknown) => void;
  /** Pages of other components (the catalogue), by path. */
  readonly pages?: readonly { readonly path: string; readonly app: Hono; readonly link?: string }[];
  /** Operations of other components, by path below `/api/v1`; behind the token. */
  readonly operations?: readonly { readonly path: string; readonly app: OpenAPIHono; readonly bodyBytesMax?: number }[];
}

/** Everything that a tracker answers to people, monitoring and operators: no announces. Start it for the history to go on. */
export class TrackerWeb {
  readonly #facts: TrackerFacts;
  readonly #o: WebOptions;
  readonly #app: Hono = new Hono();
  readonly #history = new RateHistory();
  readonly #meter = new ProcessMeter();
  #timer: NodeJS.Timeout | undefined;
  /** By path: what strangers may ask for as often as they like. */
  readonly #drawn = new Map<string, { readonly text: string; readonly madeAt: Millis }>();

  constructor(facts: TrackerFacts, control: TrackerControl, options: WebOptions) {
    this.#facts = facts;
    this.#o = options;
    this.#addCommon();
    if (options.hasPage) this.#addPage();
    if (options.hasMetrics) {
      this.#app.get('/metrics', async (c) => {
        const text = await this.#draw('/metrics', () => formatMetrics(collectFamilies(facts, this.#meter.read())));
        return c.body(text, 200, { 'Content-Type': metricsContentType });
      });
    }
    for (const { path, app } of options.pages ?? []) this.#app.route(path, app);
    if (options.gate !== undefined) {
      const api = createAdminApi({
        facts,
        control,
        gate: options.gate,
        stats: () => this.stats(),
        addressOf: options.addressOf,
        onBug: options.onBug,
        parts: options.operations ?? [],
      });
      this.#app.route('/api/v1', api);
    }
  }

  /** A fetch handler. @param env of the server: `{ incoming }` */
  readonly fetch = (request: Request, env?: object): Response | Promise<Response> => this.#app.fetch(request, env);

  /** Begins the history: a sample now and every ten seconds. */
  start(): void {
    this.sample();
    this.#timer = setInterval(() => this.sample(), historyStepMs);
    this.#timer.unref();
  }

  /** One step of the history. */
  sample(): void {
    this.#history.take(this.#facts.numbers());
    this.#meter.turn();
  }

  stats(): StatsDocument {
    return collectStats(this.#facts, { history: this.#history, meter: this.#meter });
  }

  close(): void {
    clearInterval(this.#timer);
    this.#meter.close();
  }

  #addCommon(): void {
    this.#app.use(async (c, next) => {
      await next();
      c.header('X-Content-Type-Options', 'nosniff');
      c.header('Referrer-Policy', 'no-referrer');
    });
    this.#app.get('/health', (c) => this.#answerHealth(c));
    this.#app.notFound((c) => c.text('not found\n', 404));
    this.#app.onError((error, c) => {
      this.#o.onBug(error);
      return c.text('the tracker has failed\n', 500);
    });
  }

  /** First line the state, then a reason a line. Degraded still serves: only `failing` takes a tracker out of rotation. */
  #answerHealth(c: Context): Response {
    const { state, reasons } = this.#facts.health();
    c.header('Cache-Control', 'no-store');
    return c.text(`${[state, ...reasons].join('\n')}\n`, state === 'failing' ? 503 : 200);
  }

  #addPage(): void {
    this.#app.get('/', async (c) => {
      c.header('Content-Security-Policy', pagePolicy);
      c.header('Cache-Control', 'no-cache');
      const text = await this.#draw('/', async () =>
        String(await renderStatsPage(this.#facts, this.stats(), this.#links())),
      );
      // Put in after drawing: what is drawn is kept, and the name is whatever the asker likes.
      return c.html(text.replaceAll(visitedHost, String(html`${new URL(c.req.url).hostname}`)));
    });
    this.#app.get('/stats.json', async (c) => {
      c.header('Access-Control-Allow-Origin', '*');
      c.header('Cache-Control', 'no-cache');
      const text = await this.#draw('/stats.json', () => JSON.stringify(this.stats()));
      return c.body(text, 200, { 'Content-Type': 'application/json' });
    });
  }

  /** What was drawn within the last second, or is drawn now. */
  async #draw(path: string, make: () => string | Promise<string>): Promise<string> {
    const now = this.#o.now();
    const before = this.#drawn.get(path);
    if (before !== undefined && now - before.madeAt < webLimits.pageFreshMs) return before.text;
    const text = await make();
    this.#drawn.set(path, { text, madeAt: now });
    return text;
  }

  #links(): PageLink[] {
    const links: PageLink[] = [];
    for (const { path, link } of this.#o.pages ?? []) if (link !== undefined) links.push({ href: path, text: link });
    links.push({ href: '/stats.json', text: 'these numbers as JSON' });
    if (this.#o.hasMetrics) links.push({ href: '/metrics', text: 'metrics' });
    return links;
  }
}
