import { createHash } from 'node:crypto';
import { html, raw } from 'hono/html';

/** A piece of HTML whose values are escaped. */
export type Markup = ReturnType<typeof html>;

const style = `
:root{color-scheme:light dark;--ink:#1d2430;--dim:#667085;--line:#e3e7ee;--paper:#fbfcfe;--card:#fff;--a:#2563eb;--b:#0d9488;--c:#b45309;--d:#9333ea}
@media (prefers-color-scheme:dark){:root{--ink:#e6e9ef;--dim:#98a2b3;--line:#2b3240;--paper:#12161d;--card:#1a1f29;--a:#7aa2ff;--b:#4fd1c5;--c:#f0b45b;--d:#c792ea}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
.wrap{max-width:62rem;margin:0 auto;padding:1.5rem 1rem 3rem}
h1{font-size:1.5rem;margin:0}h2{font-size:1rem;margin:0 0 .6rem;color:var(--dim);font-weight:600}
a{color:var(--a)}code{font:.9em ui-monospace,monospace;overflow-wrap:anywhere}
.head{display:flex;flex-wrap:wrap;gap:.5rem 1rem;align-items:baseline;margin-bottom:1.2rem}
.dim{color:var(--dim)}.good{color:var(--b)}.bad{color:var(--c)}
.grid{display:grid;grid-template-columns:repeat(auto-fit,minmax(9.2rem,1fr));gap:.8rem;margin-bottom:.8rem}
.card{background:var(--card);border:1px solid var(--line);border-radius:.6rem;padding:.9rem 1rem;margin-bottom:.8rem}
.grid .card{margin:0}.big{font-size:1.45rem;white-space:nowrap;font-weight:650;font-variant-numeric:tabular-nums;line-height:1.2}
table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.3rem 1rem .3rem 0;border-bottom:1px solid var(--line);font-weight:400}
th{color:var(--dim)}tr:last-child td{border:0}.n{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
.scroll{overflow-x:auto}
svg{display:block;width:100%;height:5rem}svg polyline{fill:none;stroke-width:1.5;vector-effect:non-scaling-stroke}
.udp{stroke:var(--a);color:var(--a)}.http{stroke:var(--b);color:var(--b)}.ws{stroke:var(--d);color:var(--d)}
.key span{margin-right:1rem}
form{display:flex;flex-wrap:wrap;gap:.5rem;margin:1rem 0}form.tall{flex-direction:column;max-width:34rem}label{display:grid;gap:.2rem}
input,select,textarea,button,.button{font:inherit;color:inherit;background:var(--card);border:1px solid var(--line);border-radius:.4rem;padding:.35rem .6rem}
button,.button{cursor:pointer;text-decoration:none;border-color:var(--a)}.tag{font-size:.85em;border:1px solid var(--line);border-radius:1rem;padding:0 .5rem;text-decoration:none}
.text{white-space:pre-wrap}.problem{border-left:.25rem solid var(--c);padding-left:.6rem}dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1rem}dd{margin:0;overflow-wrap:anywhere}dt{color:var(--dim)}
`;

/** Renews the page in place while somebody looks at it: the server is the only one that knows how it is drawn. */
const script = `
setInterval(async()=>{if(document.hidden)return;try{
const page=new DOMParser().parseFromString(await(await fetch(location.href,{cache:'no-store'})).text(),'text/html').querySelector('main[data-live]');
if(page)document.querySelector('main').replaceWith(page)}catch{}},10000);
`;

function hashSource(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
}

/** Nothing but what is in the page itself runs or is loaded; forms go to this server. */
export const pagePolicy: string = [
  "default-src 'none'",
  `style-src ${hashSource(style)}`,
  `script-src ${hashSource(script)}`,
  "connect-src 'self'",
  "img-src 'self' data:",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** A whole page in the tracker's dress, for an answer with `pagePolicy` as its Content-Security-Policy. Style attributes do not work in it. */
export function renderPage(page: { readonly title: string; readonly isLive?: boolean; readonly main: Markup }): Markup {
  return html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>${page.title}</title><link rel="icon" href="data:,"><style>${raw(style)}</style></head>
<body>${page.isLive === true ? html`<main class="wrap" data-live>${page.main}</main><script>${raw(script)}</script>` : html`<main class="wrap">${page.main}</main>`}</body></html>`;
}
