/** What this page asks its server, and the token that it sends where one is needed. */

const KEY = 'tokenctl-token';

/** An answer that is an error. */
export class Refusal extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }

  /** Whether another token may help. */
  get ofToken(): boolean {
    return this.status === 401 || this.status === 403 || this.status === 429;
  }
}

export function token(): string | null {
  return sessionStorage.getItem(KEY);
}

/** Kept for this tab alone; null forgets it. */
export function keepToken(secret: string | null): void {
  if (secret === null) sessionStorage.removeItem(KEY);
  else sessionStorage.setItem(KEY, secret);
}

/** @throws Refusal; TypeError where the server is not reached */
export async function request(path: string, signal?: AbortSignal): Promise<Response> {
  const secret = token();
  const response = await fetch(path, {
    headers: secret === null ? {} : { authorization: `Bearer ${secret}` },
    cache: 'no-cache',
    ...(signal === undefined ? {} : { signal }),
  });
  if (response.ok) return response;
  const problem = (await response.json().catch(() => ({}))) as { detail?: unknown };
  const { detail } = problem;
  throw new Refusal(
    response.status,
    typeof detail === 'string' ? detail : `the server answered ${String(response.status)}`,
  );
}

export async function getJson<T>(path: string): Promise<T> {
  return (await (await request(path)).json()) as T;
}
