/** Names that get series of their own, at most; anybody may log under any name. */
const MOST = 100;
/** Names with limits that get theirs beyond these, at most: without a series no alert can see the limit. */
const MORE_LIMITED = 100;
/** What the rest is summed up under: no AI type's name begins so. */
const OTHER = '_other';

/**
 * Which names of one kind, such as AI types or models, metrics show: the first hundred that this process
 * sees, and a hundred more that have limits. A name keeps its label, so that no series changes its
 * meaning; only who gets limits leaves the rest.
 */
export class SeriesLabels {
  readonly #named = new Set<string>();

  /** The names that have their own. */
  get named(): Iterable<string> {
    return this.#named;
  }

  /** The label of a name: itself, or `_other`. */
  of(name: string): string {
    return this.#labelOf(name, MOST);
  }

  /** The label of a name that has limits, for which there is more room: itself, or `_other`. */
  ofLimited(name: string): string {
    return this.#labelOf(name, MOST + MORE_LIMITED);
  }

  #labelOf(name: string, most: number): string {
    if (this.#named.has(name)) return name;
    if (this.#named.size >= most) return OTHER;
    this.#named.add(name);
    return name;
  }
}
