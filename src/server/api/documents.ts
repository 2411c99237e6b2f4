import { jsonWith, type Suggest } from '../../budget/suggest.ts';
import { etagOf } from './etag.ts';

export interface Rendered {
  readonly text: string;
  readonly etag: string;
}

/** Answers as text, for callers who may know where the database is: commands in them name it. */
export class Documents {
  readonly suggest: Suggest;
  /** How each command on this database begins. */
  readonly command: string;
  /** Documents that several calls share are written once. */
  readonly #rendered = new WeakMap<object, Rendered>();

  constructor(suggest: Suggest) {
    this.suggest = suggest;
    this.command = suggest('tokenctl status').replace(/ status$/, '');
  }

  text(document: object): string {
    return jsonWith(this.suggest, document);
  }

  /** With its ETag, for who polls it. */
  rendered(document: object): Rendered {
    const known = this.#rendered.get(document) ?? this.#render(document);
    this.#rendered.set(document, known);
    return known;
  }

  #render(document: object): Rendered {
    return { text: this.text(document), etag: etagOf(document, this.command) };
  }
}
