import { invalidInput } from '../budget/errors.ts';

/**
 * An http or https URL as a user names it.
 * @param field the flag or variable, for the message
 * @param example what is accepted
 * @throws invalid_input also for one with credentials, which would be shown, or with a query
 */
export function parseHttpUrl(field: string, text: string, example: string): URL {
  const fix = `such as ${example}`;
  if (!URL.canParse(text)) throw invalidInput(field, 'is no URL', fix);
  const url = new URL(text);
  if (url.protocol !== 'https:' && url.protocol !== 'http:') {
    throw invalidInput(field, 'must be an http or https URL', fix);
  }
  if (url.username !== '' || url.password !== '') {
    throw invalidInput(field, 'must hold no credentials', fix);
  }
  if (url.search !== '' || url.hash !== '') throw invalidInput(field, 'must hold no query', fix);
  return url;
}
