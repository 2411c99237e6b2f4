import type { RawHeaders } from './headers.ts';

/** What a gateway changes in answers about batches: where their results are read. */

/** The longest answer about batches, in bytes: a list of a thousand has a few hundred thousand. */
export const LONGEST_BATCH_ANSWER = 8_388_608;

/** The path of an answer that names batches, and so the place of their results. */
export function namesBatches(path: string): boolean {
  return path.startsWith('/v1/messages/batches') && !path.endsWith('/results');
}

const RESULTS_URL =
  /("results_url"\s*:\s*")https?:\/\/[^"]*?(\/v1\/messages\/batches\/[^"/]+\/results")/g;

/**
 * The same answer with its `results_url` at the gateway. Clients read results where it says; read
 * elsewhere, they would not be counted.
 * @param base the gateway's address as the client knows it, without `/v1`
 */
export function withResultsAt(body: Buffer, base: string): Buffer {
  const text = body.toString('utf8');
  const changed = text.replaceAll(RESULTS_URL, (_all, start: string, path: string) => {
    return start + base + path;
  });
  return changed === text ? body : Buffer.from(changed, 'utf8');
}

/** Headers for another body than upstream's. */
export function headersOfLength(headers: RawHeaders, length: number): string[] {
  const changed: string[] = [];
  for (let index = 0; index + 1 < headers.length; index += 2) {
    const [name = '', value = ''] = [headers[index], headers[index + 1]];
    if (name.toLowerCase() !== 'content-length') changed.push(name, value);
  }
  return [...changed, 'content-length', String(length)];
}
