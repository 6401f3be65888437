import { randomFillSync } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Context } from 'hono';
import type { Millis, PeerAddress } from '../base/index.ts';
import {
  AddressLimits,
  type CounterRow,
  type Offenders,
  relayLimits,
  type SwarmStore,
  type TrackerLogic,
  WebRelay,
} from '../tracker/index.ts';
import type { CatalogueAccess, CatalogueViewer } from './catalogue/access.ts';
import type { CatalogueService } from './catalogue/service.ts';
import type { TrackerSettings } from './config/settings.ts';
import { ConnectionBook } from './connection-book.ts';
import { announceUrls } from './face.ts';
import { HttpFront } from './http/front.ts';
import type { HttpRoutes } from './http/routes.ts';
import { type FrontLimits, webLimits } from './limits.ts';
import type { TrackerAddress, TrackerOptions } from './options.ts';
import type { PolicyHost } from './policy/policy-host.ts';
import { RequestSource } from './request-source.ts';
import { AdminGate } from './web/admin-gate.ts';
import { TrackerWeb } from './web/app.ts';
import { pagePolicy, renderPage } from './web/page.ts';
import type { TrackerControl, TrackerFacts } from './web/ports.ts';
import { WebServer } from './web/server.ts';
import { WsFront } from './ws/front.ts';
import { wsLimits } from './ws/limits.ts';

export interface WebSideOptions {
  readonly options: TrackerOptions;
  readonly pages: TrackerSettings['pages'];
  readonly addressLimits: AddressLimits;
  readonly offenders: Offenders;
  readonly limits: FrontLimits;
  readonly logic: TrackerLogic;
  readonly store: SwarmStore;
  readonly routes: HttpRoutes;
  readonly counts: CounterRow;
  readonly policy: PolicyHost;
  readonly catalogue: CatalogueService | undefined;
  /** Whether torrents may be added to the catalogue, as configured now. */
  readonly mayUpload: () => boolean;
  readonly facts: TrackerFacts;
  readonly control: TrackerControl;
  /** The token in force; undefined: there is no API. */
  readonly token: (() => string | undefined) | undefined;
  readonly now: () => Millis;
  readonly onBug: (error: unknown) => void;
  /** All places of the tracker, once it listens. */
  readonly addresses: readonly TrackerAddress[];
}

/**
 * Everything that comes by TCP: HTTP and HTTPS listeners for announces, WebSocket peers, and the pages, on the same places or on some of
 * their own.
 */
export class WebSide {
  readonly #o: WebSideOptions;
  readonly #sources: RequestSource;
  /** Of pages: they cost more than an announce. */
  readonly #pageLimits = new AddressLimits(randomFillSync(new Uint32Array(4)));
  readonly #connections: ConnectionBook;
  readonly #ws: WsFront | undefined;
  readonly #gate: AdminGate | undefined;
  readonly #fronts: HttpFront[] = [];
  /** The pages of the announce places, and those of places of their own. */
  readonly #pages: { readonly web: TrackerWeb; readonly server: WebServer }[] = [];

  constructor(options: WebSideOptions) {
    this.#o = options;
    const { addressLimits, counts, limits, logic, now, offenders, onBug, store } = options;
    this.#sources = new RequestSource(options.options.trustedProxies ?? []);
    this.#pageLimits.set({
      requestsMax: webLimits.pageRequestsMax,
      windowMs: webLimits.pageWindowMs,
      exemptsLocal: options.options.addressLimits?.exemptsLocal ?? true,
    });
    const hasWs = options.options.hasWebSocket !== false;
    const { webOrigins = [] } = options.options;
    const ws = { ...wsLimits, ...options.options.wsLimits };
    // A WebSocket keeps the place that its connection took when it was still HTTP.
    this.#connections = new ConnectionBook({
      max: limits.httpConnectionsMax + (hasWs ? ws.connectionsMax : 0),
      perAddressMax: limits.httpConnectionsPerAddressMax + (hasWs ? ws.connectionsPerAddressMax : 0),
    });
    const { token } = options;
    this.#gate = token === undefined ? undefined : new AdminGate({ token, now });
    if (!hasWs) return;
    this.#ws = new WsFront({
      relay: new WebRelay({ logic, store, limits: relayLimits, counts, addressLimits, offenders }),
      counts,
      limits: ws,
      now,
      sourceOf: (request) => this.#sources.of(request),
      ...(webOrigins.length > 0 && { origins: webOrigins }),
      onBug,
    });
  }

  get httpConnectionCount(): number {
    return this.#connections.count;
  }
  get wsConnectionCount(): number {
    return this.#ws?.connectionCount ?? 0;
  }

  /**
   * Opens all places.
   *
   * @param onListening told of each, ports filled in
   * @throws BtError `net/port-in-use`, `net/listen`, `disk/...` for certificates; close it then
   */
  async listen(onListening: (at: TrackerAddress) => void): Promise<void> {
    const { http = [], https = [], web = [], unix, tls } = this.#o.options;
    const hasOwnPlaces = web.length > 0;
    if (http.length + https.length > 0 || unix !== undefined) {
      const { server } = this.#addPages({ isPublic: true, hasAll: !hasOwnPlaces });
      for (const at of http) onListening({ protocol: 'http', ...(await this.#open(server, at)) });
      for (const at of https) onListening({ protocol: 'https', ...(await this.#open(server, at, tls)) });
      if (unix !== undefined) onListening({ protocol: 'unix', ...(await this.#openUnix(server, unix)) });
    }
    if (!hasOwnPlaces) return;
    const { server } = this.#addPages({ isPublic: false, hasAll: true });
    for (const at of web) onListening({ protocol: 'web', ...(await this.#open(server, at, undefined, true)) });
  }

  /** Reads certificates again. @throws what reading or the files give; the old ones stay in use then */
  async reload(): Promise<number> {
    for (const front of this.#fronts) await front.reload();
    return this.#fronts.length;
  }

  async close(): Promise<void> {
    await this.#ws?.close();
    for (const { web, server } of this.#pages) {
      web.close();
      server.close();
    }
    await Promise.all(this.#fronts.map((front) => front.close()));
  }

  async #open(
    server: WebServer,
    at: PeerAddress,
    tls?: TrackerOptions['tls'],
    pagesOnly = false,
  ): Promise<PeerAddress> {
    const front = this.#newFront(server, tls, pagesOnly);
    return await front.listen(at);
  }

  async #openUnix(server: WebServer, path: string): Promise<PeerAddress> {
    const front = this.#newFront({
      give: (socket) => {
        this.#sources.addLocal(socket);
        server.give(socket);
      },
    });
    return await front.listen({ path });
  }

  #newFront(other: Pick<WebServer, 'give'>, tls?: TrackerOptions['tls'], pagesOnly = false): HttpFront {
    const { routes, counts, limits, now, options } = this.#o;
    const front = new HttpFront({
      ...{ routes, counts, limits, now, other, pagesOnly },
      connections: this.#connections,
      trustedProxies: options.trustedProxies ?? [],
      ...(tls !== undefined && { tls }),
    });
    this.#fronts.push(front);
    return front;
  }

  /** @param of.isPublic where announces come to: WebSocket peers and the catalogue; `hasAll`: numbers and API too */
  #addPages(of: { isPublic: boolean; hasAll: boolean }): { web: TrackerWeb; server: WebServer } {
    const { facts, control, now, onBug, catalogue, routes, limits } = this.#o;
    const settings = this.#o.pages;
    const web = new TrackerWeb(facts, control, {
      hasPage: of.hasAll && settings.hasPage,
      hasMetrics: of.hasAll && settings.hasMetrics,
      ...(of.hasAll && this.#gate !== undefined && { gate: this.#gate }),
      addressOf: (env) => this.#sources.textOf((env as { incoming: IncomingMessage }).incoming),
      ...{ now, onBug },
      ...(catalogue !== undefined && {
        pages: [{ path: '/torrents', app: this.#cataloguePages(catalogue), link: 'torrents' }],
        operations: [
          {
            path: '/catalogue',
            app: catalogue.createOperations((c) => this.#urlsFor(c, undefined)),
            bodyBytesMax: webLimits.catalogueBodyBytesMax,
          },
        ],
      }),
    });
    web.start();
    const server = new WebServer({
      web,
      admits: (request) => this.#admits(request),
      ...(of.isPublic && {
        answer: (request, response) => {
          const source = this.#sources.of(request);
          return source !== undefined && routes.answerRequest(now(), request, response, source);
        },
      }),
      ...(of.isPublic && this.#ws !== undefined && { onUpgrade: this.#ws.handleUpgrade.bind(this.#ws) }),
      headBytesMax: limits.httpHeadBytesMax,
    });
    const made = { web, server };
    this.#pages.push(made);
    return made;
  }

  #admits(request: IncomingMessage): boolean {
    const source = this.#sources.of(request);
    return source !== undefined && this.#pageLimits.takeRequest(this.#o.now(), source, 0, source.length === 4 ? 4 : 16);
  }

  #cataloguePages(catalogue: CatalogueService): ReturnType<CatalogueService['createPages']> {
    return catalogue.createPages({
      title: this.#o.pages.title,
      publicUrl: this.#o.pages.url,
      access: this.#access(),
      mayUpload: this.#o.mayUpload,
      frame: (c, { title, body, status = 200 }) => {
        c.header('Content-Security-Policy', pagePolicy);
        c.header('Cache-Control', 'no-store');
        return c.html(renderPage({ title: `${title} - ${this.#o.pages.title}`, main: body }), status);
      },
      sourceOf: (c) => this.#sources.textOf((c.env as { incoming: IncomingMessage }).incoming),
    });
  }

  #access(): CatalogueAccess {
    const { policy } = this.#o;
    const viewer = (passkey: string | undefined, base: string): CatalogueViewer | undefined => {
      if (policy.judge('catalogue', passkey === undefined ? '/' : `/${passkey}/announce`) !== undefined)
        return undefined;
      return { announceUrls: this.#urls(base, policy.users === undefined ? undefined : passkey) };
    };
    const uploader = (secret: string, from: string): string | undefined => {
      if (!this.#o.mayUpload()) return undefined;
      const member = policy.users?.member(secret);
      if (member !== undefined) return member.mayUpload ? member.name : undefined;
      return this.#gate?.judgeToken(secret, from).kind === 'open' ? 'operator' : undefined;
    };
    return { viewer, uploader };
  }

  #urlsFor(c: Context, passkey: string | undefined): string[] {
    return this.#urls(this.#o.pages.url ?? new URL(c.req.url).origin, passkey);
  }

  #urls(base: string, passkey: string | undefined): string[] {
    const { addresses, pages } = this.#o;
    const isVisited = pages.url === undefined;
    return announceUrls({ addresses, base, isVisited, passkey, hasWebSocket: this.#ws !== undefined });
  }
}
