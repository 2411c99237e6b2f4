import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/**
 * A provider in a process of its own, which tells its port. It answers a message after as many ms as
 * `x-delay` says; a stream begins at once, and with `x-hold` never ends.
 */
const USAGE = { input_tokens: 20, output_tokens: 12 };
const MESSAGE = { id: 'msg_1', type: 'message', role: 'assistant', model: 'bench', content: [] };
const body = JSON.stringify({ ...MESSAGE, stop_reason: 'end_turn', usage: USAGE });
const event = (type: string, data: object): string =>
  `event: ${type}\ndata: ${JSON.stringify({ type, ...data })}\n\n`;
const begin = event('message_start', {
  message: { ...MESSAGE, usage: { input_tokens: 20, output_tokens: 1 } },
});
const end =
  event('message_delta', { delta: { stop_reason: 'end_turn' }, usage: USAGE }) +
  event('message_stop', {});

const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
  const { 'x-delay': delay, 'x-stream': stream, 'x-hold': hold } = request.headers;
  request.resume().on('end', () => {
    if (stream !== undefined) {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(begin);
      if (hold === undefined) response.end(end);
      return;
    }
    const answer = (): void => {
      response.writeHead(200, { 'content-type': 'application/json' }).end(body);
    };
    if (delay === undefined) answer();
    else setTimeout(answer, Number(delay));
  });
}).listen(0, '127.0.0.1', () => {
  process.send?.((server.address() as AddressInfo).port);
});
process.on('disconnect', () => process.exit());
