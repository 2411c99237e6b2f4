import { createHash, randomBytes } from 'node:crypto';
import { TOKEN_START } from '../budget/access-token.ts';

/**
 * Access tokens: `tkc_` and 48 characters of base64url, which are 32 random bytes and a checksum, the
 * first 4 bytes of their SHA-256. So a scanner finds one in a log or a repository by its form alone
 * (`tkc_[A-Za-z0-9_-]{48}`), and a mistyped one is refused without asking the database.
 *
 * The database keeps their SHA-256 only. A slow hash, as for passwords, would protect nothing more:
 * 256 random bits can't be guessed, however fast the guesses are. Nor need hashes be compared in constant
 * time: how far the hash of a guess agrees with a kept one says nothing about the token.
 */

const RANDOM_BYTES = 32;
const CHECKSUM_BYTES = 4;
const FORM = new RegExp(`^${TOKEN_START}([A-Za-z0-9_-]{48})$`);
/** `tkc_` and 8 more: enough to tell tokens apart; the 208 bits after it stay secret. */
const PREFIX_LENGTH = 12;

/** A new token, from the system's own randomness. */
export function newToken(): string {
  const secret = randomBytes(RANDOM_BYTES);
  return TOKEN_START + Buffer.concat([secret, checksum(secret)]).toString('base64url');
}

/** Whether it has the form and the checksum of a token. */
export function isToken(text: string): boolean {
  const [, encoded] = FORM.exec(text) ?? [];
  if (encoded === undefined) return false;
  const bytes = Buffer.from(encoded, 'base64url');
  return bytes.subarray(RANDOM_BYTES).equals(checksum(bytes.subarray(0, RANDOM_BYTES)));
}

/** What lists show of a token. */
export function tokenPrefix(token: string): string {
  return token.slice(0, PREFIX_LENGTH);
}

/** What the database keeps of a token: SHA-256 in hexadecimal. */
export function tokenHash(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}

function checksum(secret: Buffer): Buffer {
  return createHash('sha256').update(secret).digest().subarray(0, CHECKSUM_BYTES);
}
