/** AI types that get series of their own, at most; anybody may log under any name. */
const MOST = 100;
/** What the rest is summed up under. */
const OTHER = 'other';

/**
 * Which AI types metrics show by name: the first hundred that this process sees. A name keeps its label,
 * so that no series changes its meaning.
 */
export class AiTypeLabels {
  readonly #named = new Set<string>();

  /** The names that have their own. */
  get named(): Iterable<string> {
    return this.#named;
  }

  /** The label of an AI type: its name, or `other`. */
  of(aiType: string): string {
    if (this.#named.has(aiType)) return aiType;
    if (this.#named.size >= MOST) return OTHER;
    this.#named.add(aiType);
    return aiType;
  }
}
