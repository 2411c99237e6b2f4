import { lookup as resolveName } from 'node:dns';
import type { LookupFunction } from 'node:net';
import { Agent, request, type Dispatcher } from 'undici';
import { isPrivateAddress } from '../../platform/private-address.ts';
import { later } from '../../platform/timers.ts';
import { DeliveryError } from '../channel.ts';

/** What a receiver is told, and where. */
export interface Post {
  readonly url: URL;
  /** Hosts that may have a private address. */
  readonly allowPrivate: readonly string[];
  readonly headers: Readonly<Record<string, string>>;
  /** JSON. */
  readonly body: string;
  /** What an answer may repeat and nobody may read; the URL is hidden anyway. */
  readonly secrets: readonly string[];
  /** What a short answer of the receiver means, and what to do. */
  readonly meanings?: Readonly<Record<string, string>>;
  /** For the times that a receiver names. */
  readonly nowMs: number;
}

/** All of them together must be shorter than the pause before another try. */
const CONNECT_MS = 5_000;
const ANSWER_MS = 10_000;
const TOO_LATE = new Error('no answer in time');
/** Of an answer, in characters: enough for its reason. */
const READ = 2_048;
const SHOWN = 160;

/**
 * Posts to a receiver; redirects are not followed, as they could lead to where the URL may not.
 * @throws DeliveryError; final where the receiver refuses it (4xx, but not 408 and 429), redirects, or
 *   has a private address that was not allowed
 */
export async function post(message: Post): Promise<void> {
  const { url, allowPrivate, headers, body } = message;
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const allowed = allowPrivate.includes(url.hostname) || allowPrivate.includes(host);
  // A name is looked at when it is connected to, so that it can't be another address by then.
  if (!allowed && isPrivateAddress(host)) throw privateAddress(host);
  const agent = new Agent({
    connect: { timeout: CONNECT_MS, ...(allowed ? {} : { lookup: publicLookup }) },
    headersTimeout: ANSWER_MS,
    bodyTimeout: ANSWER_MS,
    maxHeaderSize: 16_384,
  });
  const outOfTime = new AbortController();
  // Not AbortSignal.timeout, which keeps what it belongs to until its time is over.
  const limit = later(CONNECT_MS + ANSWER_MS, () => outOfTime.abort(TOO_LATE));
  try {
    const answer = await request(url, {
      method: 'POST',
      dispatcher: agent,
      headers: { 'content-type': 'application/json', 'user-agent': 'tokenctl', ...headers },
      body,
      signal: outOfTime.signal,
    });
    const { statusCode } = answer;
    if (statusCode >= 200 && statusCode < 300) return;
    throw refusal(answer, await startOf(answer.body), message);
  } catch (error) {
    throw error instanceof DeliveryError ? error : lost(error, host);
  } finally {
    limit.callOff();
    // Not close: an answer that never ends would be waited for.
    await agent.destroy();
  }
}

const publicLookup: LookupFunction = (hostname, options, callback) => {
  resolveName(hostname, { ...options, all: true }, (error, addresses) => {
    if (error !== null) {
      callback(error, '');
      return;
    }
    const closed = addresses.find(({ address }) => isPrivateAddress(address));
    const [first] = addresses;
    if (closed !== undefined || first === undefined) {
      callback(privateAddress(hostname, closed?.address), '');
    } else if (options.all === true) {
      callback(null, addresses);
    } else {
      callback(null, first.address, first.family);
    }
  });
};

function privateAddress(host: string, address = host): DeliveryError {
  const what = address === host ? '' : ` (${address})`;
  return new DeliveryError(
    `${host} has a private address${what}, which allowPrivate does not name`,
    { final: true },
  );
}

function refusal(
  { statusCode, headers }: Dispatcher.ResponseData,
  text: string,
  { url, secrets, nowMs, meanings = {} }: Post,
): DeliveryError {
  const said = withoutSecrets(text, url, secrets)
    .replaceAll(/[\s\p{C}]+/gu, ' ')
    .trim()
    .slice(0, SHOWN);
  const again = statusCode >= 500 || statusCode === 408 || statusCode === 429;
  const redirect = statusCode < 400 ? ', a redirect, which is not followed' : '';
  const meaning = Object.hasOwn(meanings, said) ? ` (${meanings[said] ?? ''})` : '';
  const reason = said === '' ? redirect : `${redirect}: ${said}${meaning}`;
  return new DeliveryError(`it answered ${String(statusCode)}${reason}`, {
    final: !again,
    retryAfterMs: again ? retryAfter(headers['retry-after'], nowMs) : null,
  });
}

/** Seconds or a date, in ms from now; null for anything else. */
function retryAfter(header: string | string[] | undefined, nowMs: number): number | null {
  const text = (Array.isArray(header) ? header[0] : header)?.trim() ?? '';
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1_000;
  const atMs = Date.parse(text);
  return Number.isNaN(atMs) ? null : Math.max(0, atMs - nowMs);
}

/** A part of a URL that is as long may be a secret of its own. */
const SECRET_PART = 9;

/** Without what an answer may repeat of the URL and of secrets, and of one that the end of `text` cuts. */
function withoutSecrets(text: string, url: URL, secrets: readonly string[]): string {
  const parts = [...url.pathname.split('/'), ...url.searchParams.values()];
  const hidden = [
    ...[url.href, `${url.pathname}${url.search}`, url.pathname],
    ...secrets.flatMap((each) => [each, JSON.stringify(each).slice(1, -1)]),
    ...parts.filter((part) => part.length >= SECRET_PART),
  ]
    .filter((each) => each.length > 1)
    .toSorted((one, another) => another.length - one.length);
  const whole = text.length < READ ? text : text.slice(0, -(hidden[0]?.length ?? 0));
  return hidden.reduce((rest, each) => rest.replaceAll(each, '…'), whole);
}

async function startOf(body: AsyncIterable<Buffer>): Promise<string> {
  let text = '';
  for await (const chunk of body) {
    text += chunk.toString('utf8');
    if (text.length >= READ) break;
  }
  return text;
}

/** Why nobody answered, without the URL. */
function lost(error: unknown, host: string): DeliveryError {
  const { message, code, cause } = error as NodeJS.ErrnoException;
  if (cause instanceof DeliveryError) return cause;
  if (error === TOO_LATE || code?.endsWith('_TIMEOUT') === true) {
    return new DeliveryError(`${host} does not answer in time`);
  }
  return new DeliveryError(`${host} can't be reached: ${code ?? message}`);
}
