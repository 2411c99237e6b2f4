import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What HTTP alone costs: reads a body as JSON, and answers as much JSON as a reserve does. */
const ANSWER = {
  ...{ admitted: true, aiType: 'bench', estimate: { input: 80, output: 20, total: 100 } },
  ...{ reasons: [], retryAt: null, largestAdmissible: 1_000_000 },
  reservation: {
    id: '01a20e10-ded8-750e-8598-44e049e8071a',
    expiresAt: '2026-01-01T00:00:00.000Z',
  },
};

const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    if (chunks.length > 0) JSON.parse(Buffer.concat(chunks).toString());
    const text = JSON.stringify(ANSWER);
    response.writeHead(201, {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(text),
    });
    response.end(text);
  });
});
server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port));
process.on('SIGTERM', () => process.exit(0));
