/** Names that get series of their own, at most; anybody may log under any name. */
const MOST = 100;
/** What the rest is summed up under: no AI type's name begins so. */
const OTHER = '_other';

/**
 * Which names of one kind, such as AI types or models, metrics show: the first hundred that this process
 * sees. A name keeps its label, so that no series changes its meaning.
 */
export class SeriesLabels {
  readonly #named = new Set<string>();

  /** The names that have their own. */
  get named(): Iterable<string> {
    return this.#named;
  }

  /** The label of a name: itself, or `_other`. */
  of(name: string): string {
    if (this.#named.has(name)) return name;
    if (this.#named.size >= MOST) return OTHER;
    this.#named.add(name);
    return name;
  }
}
