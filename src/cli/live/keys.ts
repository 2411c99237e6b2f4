import { sortAiTypes, SORTS } from '../views/live/blocks.ts';
import type { LiveState } from '../views/live/frame.ts';

/** What a key asks for beside what it changes on the screen. */
export type Wish = 'quit' | 'interrupt' | 'suspend' | 'redraw' | 'check';

export interface KeyPressed {
  readonly state: LiveState;
  readonly wish: Wish | null;
}

/** What arrows, function keys and the like send. */
const ESCAPE_SEQUENCES = /\u001b(?:\[[0-9;?]*[@-~]|O.|.)?/g;

/** Keys as a terminal sends them, one by one, without those that are no characters. */
export function keysOf(text: string): string[] {
  return Array.from(text.replaceAll(ESCAPE_SEQUENCES, ''));
}

/** What one key changes. An unknown one changes nothing. */
export function pressKey(state: LiveState, key: string, nowMs: number): KeyPressed {
  const shows = (change: Partial<LiveState>): KeyPressed => ({
    state: { ...state, ...change },
    wish: null,
  });
  const wishes = (wish: Wish): KeyPressed => ({ state, wish });
  switch (key.toLowerCase()) {
    case 'q':
      return wishes('quit');
    case '\u0003':
      return wishes('interrupt');
    case '\u001a':
      return wishes('suspend');
    case '\u000c':
      return wishes('redraw');
    case 'r':
      return wishes('check');
    case '?':
      return shows({ help: !state.help });
    case 'p':
      return shows({ pausedMs: state.pausedMs === null ? nowMs : null });
    case 's':
      return shows({ sort: SORTS[SORTS.indexOf(state.sort) + 1] ?? 'used' });
    case 'a':
      return { state: { ...state, aiType: nextAiType(state) }, wish: 'check' };
    default:
      return { state, wish: null };
  }
}

/** All, then one after the other as they are sorted, then all again. */
function nextAiType({ pulse, sort, aiType }: LiveState): string | null {
  const names = sortAiTypes(pulse?.aiTypes ?? [], sort).map((row) => row.aiType);
  return names[aiType === null ? 0 : names.indexOf(aiType) + 1] ?? null;
}
