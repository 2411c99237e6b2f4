import { describe, expect, it } from 'vitest';
import { passing } from '../../src/guard/passing.ts';

/** An answer whose body gives these chunks, and tells what is done to it. */
function answer(chunks: readonly string[], init: ResponseInit = {}, failure?: Error) {
  const seen = { pulls: 0, cancelled: undefined as unknown };
  const body = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        const chunk = chunks[seen.pulls];
        seen.pulls += 1;
        if (chunk !== undefined) controller.enqueue(new TextEncoder().encode(chunk));
        else if (failure === undefined) controller.close();
        else controller.error(failure);
      },
      cancel(reason) {
        seen.cancelled = reason;
      },
    },
    { highWaterMark: 0 },
  );
  return { response: new Response(body, init), seen };
}

/** Somebody who notes what passes, and holds the end back until it is let go. */
function observer() {
  const told = { text: '', ends: [] as string[], letGo: (): void => undefined };
  const held = new Promise<void>((resolve) => (told.letGo = resolve));
  return {
    told,
    take: (bytes: Uint8Array) => {
      told.text += new TextDecoder().decode(bytes);
    },
    end: (how: string) => {
      told.ends.push(how);
      return held;
    },
  };
}

describe('an answer that passes', () => {
  it('keeps status, headers and bytes', async () => {
    const { response } = answer(['a', 'bc'], { status: 418, headers: { 'x-a': '1' } });
    const watching = observer();
    watching.told.letGo();
    const passed = await passing(response, watching);
    expect([passed.status, passed.headers.get('x-a'), await passed.text()]).toEqual([
      418,
      '1',
      'abc',
    ]);
    expect(watching.told).toMatchObject({ text: 'abc', ends: ['whole'] });
  });

  it('is read no faster than its reader reads, and each byte comes before its end is settled', async () => {
    const { response, seen } = answer(['a', 'b', 'c']);
    const watching = observer();
    const reader = (await passing(response, watching)).body!.getReader();
    expect(seen.pulls).toBe(0);
    await reader.read();
    expect(seen.pulls).toBe(1);
    await reader.read();
    await reader.read();
    expect(watching.told).toMatchObject({ text: 'abc', ends: [] });
    const end = reader.read();
    let ended = false;
    void end.then(() => (ended = true));
    await new Promise((resolve) => setImmediate(resolve));
    expect([watching.told.ends, ended]).toEqual([['whole'], false]);
    watching.told.letGo();
    expect(await end).toEqual({ done: true, value: undefined });
  });

  it('that its reader leaves stops the source at once', async () => {
    const { response, seen } = answer(['a', 'b']);
    const watching = observer();
    const reader = (await passing(response, watching)).body!.getReader();
    await reader.read();
    const left = reader.cancel('enough');
    expect([seen.cancelled, watching.told.ends]).toEqual(['enough', ['left']]);
    watching.told.letGo();
    await left;
  });

  it('that breaks off passes the error on', async () => {
    const { response } = answer(['a'], {}, new Error('gone'));
    const watching = observer();
    watching.told.letGo();
    await expect((await passing(response, watching)).text()).rejects.toThrow('gone');
    expect(watching.told.ends).toEqual(['cut']);
  });

  it('that is aborted while nobody reads is over once', async () => {
    const { response } = answer(['a', 'b']);
    const watching = observer();
    watching.told.letGo();
    const caller = new AbortController();
    const reader = (await passing(response, watching, caller.signal)).body!.getReader();
    await reader.read();
    caller.abort();
    expect(watching.told.ends).toEqual(['cut']);
    await reader.cancel();
    expect(watching.told).toMatchObject({ text: 'a', ends: ['cut'] });
  });

  it('whose caller has left already is over before it is read', async () => {
    const { response } = answer(['a']);
    const watching = observer();
    watching.told.letGo();
    const passed = await passing(response, watching, AbortSignal.abort());
    expect(watching.told.ends).toEqual(['cut']);
    await passed.body!.cancel();
    expect(watching.told).toMatchObject({ text: '', ends: ['cut'] });
  });

  it('without a body is over before it is passed on', async () => {
    for (const status of [204, 200]) {
      const watching = observer();
      watching.told.letGo();
      const passed = await passing(new Response(null, { status }), watching);
      expect([passed.status, await passed.text(), watching.told.ends]).toEqual([
        status,
        '',
        ['whole'],
      ]);
    }
  });
});
