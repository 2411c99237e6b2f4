/** What stands before the cursor of a command line. */
export interface Typed {
  /** The words before the one that is being written, without the program's name. */
  readonly words: readonly string[];
  /** The word that is being written, as far as the cursor; often empty. */
  readonly current: string;
  /** How much of the current word the shell keeps, and expects no candidate to repeat. */
  readonly kept: number;
}

/** From a shell that has the words, all but the program's name; the last is the one being written. */
export function fromWords(words: readonly string[]): Typed {
  return { words: words.slice(0, -1), current: words.at(-1) ?? '', kept: 0 };
}

/**
 * From bash, whose own words are broken at `=` and `:`: so its line is read here.
 * @param breaks where it breaks words (COMP_WORDBREAKS): of `--state=de` it completes only `de`
 */
export function fromLine(line: string, breaks: string): Typed {
  const { words, quoted } = split(line);
  const current = words.pop() ?? '';
  const lastBreak = Array.from(current).findLastIndex((char) => breaks.includes(char));
  return { words: words.slice(1), current, kept: quoted ? 0 : lastBreak + 1 };
}

/** The words of a line, without their quotes. The last one may be unfinished: `quoted` if in its quotes. */
function split(line: string): { words: string[]; quoted: boolean } {
  const words = [''];
  let quote = '';
  for (let at = 0; at < line.length; at += 1) {
    let char = line.charAt(at);
    const last = words.length - 1;
    if (char === '\\' && quote !== "'") {
      at += 1;
      char = line.charAt(at);
    } else if (quote !== '' ? char === quote : char === "'" || char === '"') {
      quote = quote === '' ? char : '';
      continue;
    } else if (quote === '' && /\s/.test(char)) {
      if (/\S/.test(line.charAt(at - 1))) words.push('');
      continue;
    }
    words[last] = `${words[last] ?? ''}${char}`;
  }
  return { words, quoted: quote !== '' };
}
