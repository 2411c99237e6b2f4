import { h, setText, type Child } from './dom.ts';

const SHOWN_MS = 2_000;

/** A command to run, with a button that copies it. */
export function command(text: string): Child {
  const code = h('code', {}, text);
  const button = h(
    'button',
    { type: 'button', class: 'copy', 'aria-label': `Copy ${text}` },
    'Copy',
  );
  button.addEventListener('click', () => {
    void copy(text, code).then((done) => {
      setText(button, done ? 'Copied' : 'Select it');
      setTimeout(() => setText(button, 'Copy'), SHOWN_MS);
    });
  });
  return h('p', { class: 'command' }, code, button);
}

/** Browsers give the clipboard to secure pages alone; elsewhere the text is selected, and copied the old way. */
async function copy(text: string, shown: Element): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    getSelection()?.selectAllChildren(shown);
    // eslint-disable-next-line @typescript-eslint/no-deprecated -- the only way on a page that is not secure
    return document.execCommand('copy');
  }
}
