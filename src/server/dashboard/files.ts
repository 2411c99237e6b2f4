import { createHash } from 'node:crypto';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

import { dashboardFile } from '../../platform/package-files.ts';
import { names } from '../api/etag.ts';

/** The dashboard as browsers get it: a few static files that the build has made (src/server/dashboard/page). */

interface PageFile {
  readonly path: `/${string}`;
  /** In dist/dashboard. */
  readonly file: string;
  readonly type: string;
}

const FILES: readonly PageFile[] = [
  { path: '/', file: 'index.html', type: 'text/html; charset=utf-8' },
  { path: '/dashboard/main.js', file: 'main.js', type: 'text/javascript; charset=utf-8' },
  { path: '/dashboard/style.css', file: 'style.css', type: 'text/css; charset=utf-8' },
  { path: '/dashboard/uplot.css', file: 'uplot.css', type: 'text/css; charset=utf-8' },
  { path: '/dashboard/icon.svg', file: 'icon.svg', type: 'image/svg+xml' },
  { path: '/dashboard/uPlot.LICENSE', file: 'uPlot.LICENSE', type: 'text/plain; charset=utf-8' },
];

export const PAGE_PATHS = FILES.map(({ path }) => path);

/** Nothing comes from elsewhere, nothing goes elsewhere, and no text becomes a script or a style. */
const POLICY = [
  "default-src 'none'",
  ...["script-src 'self'", "style-src 'self'", "connect-src 'self'", "img-src 'self'"],
  ...["base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"],
  "require-trusted-types-for 'script'",
].join('; ');

const ENCODINGS = ['br', 'gzip'] as const;
type Encoding = (typeof ENCODINGS)[number] | 'identity';
/** Nearly as small as the best, in a few milliseconds. */
const BROTLI_QUALITY = 6;

interface Kept {
  readonly etag: string;
  readonly bodies: ReadonlyMap<Encoding, Uint8Array<ArrayBuffer>>;
}

const kept = new Map<string, Kept>();

/** The answer to a request for a path of PAGE_PATHS. */
export function pageAnswer(path: string, headers: Headers): Response {
  const found = FILES.find((each) => each.path === path);
  if (found === undefined) throw new Error(`${path} is no file of the dashboard`);
  const { etag, bodies } = read(found);
  const common = {
    etag,
    // Asked for each time, and answered with 304: so a new version is never mixed with an old one.
    'cache-control': 'no-cache',
    'content-security-policy': POLICY,
    vary: 'accept-encoding',
  };
  if (names(headers.get('if-none-match') ?? undefined, etag)) {
    return new Response(null, { status: 304, headers: common });
  }
  const encoding = encodingFor(headers.get('accept-encoding') ?? '');
  const body = bodies.get(encoding) ?? new Uint8Array();
  return new Response(body, {
    headers: {
      ...common,
      'content-type': found.type,
      'content-length': String(body.byteLength),
      ...(encoding === 'identity' ? {} : { 'content-encoding': encoding }),
    },
  });
}

/** Read, named and compressed once. */
function read({ path, file }: PageFile): Kept {
  const known = kept.get(path);
  if (known !== undefined) return known;
  const plain = new Uint8Array(dashboardFile(file));
  const params = { [constants.BROTLI_PARAM_QUALITY]: BROTLI_QUALITY };
  const made: Kept = {
    etag: `W/"${createHash('sha256').update(plain).digest('base64url').slice(0, 22)}"`,
    bodies: new Map<Encoding, Uint8Array<ArrayBuffer>>([
      ['identity', plain],
      ['br', new Uint8Array(brotliCompressSync(plain, { params }))],
      ['gzip', new Uint8Array(gzipSync(plain))],
    ]),
  };
  kept.set(path, made);
  return made;
}

function encodingFor(accepted: string): Encoding {
  const refused = /;\s*q=0(\.0*)?\s*$/;
  const offered = accepted
    .split(',')
    .filter((each) => !refused.test(each))
    .map((each) => each.split(';')[0]?.trim().toLowerCase());
  return ENCODINGS.find((each) => offered.includes(each)) ?? 'identity';
}
