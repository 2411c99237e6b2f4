/** Elements are made of text and nodes alone: nothing that comes from the ledger is ever read as HTML. */

export type Child = Node | string | null;
export type Attributes = Readonly<Record<string, string | boolean>>;

/** An element; an attribute that is true is there without a value, one that is false is not. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== false) element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

/** An element of index.html. */
export function byId(id: string): HTMLElement {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`the page has no #${id}`);
  return element;
}

/** Sets text only where it differs, so that what is read aloud or selected stays. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

const drawn = new WeakMap<Element, string>();

/** Draws a part of the page anew where its data differ, so that focus and what is open stay. */
export function redraw(element: Element, data: unknown, draw: () => readonly Child[]): void {
  const now = JSON.stringify(data);
  if (drawn.get(element) === now) return;
  drawn.set(element, now);
  element.replaceChildren(...draw().filter((child) => child !== null));
}
