/** A TCP proxy before PostgreSQL that loses, delays or refuses what a test tells it to. */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';
import type { DatabaseTarget } from '../../src/config/database.ts';

export interface PostgresProxy {
  /** The same database, through the proxy. */
  readonly target: DatabaseTarget;
  /** passes: all of it. silent: connections stay open, nothing gets through. refuses: no connection. */
  mode: 'passes' | 'silent' | 'refuses';
  /** So many COMMITs are carried out by the server, and their answers lost with the connection. */
  commitsToLose: number;
  /** What the mode becomes when a COMMIT's answer was lost. */
  afterLoss: 'passes' | 'silent' | 'refuses';
  /** Ends every connection now. */
  cut(): void;
}

/** A simple query's message: 'Q', its length, the text, NUL. */
const COMMIT = Buffer.from([...Buffer.from('Q'), 0, 0, 0, 11, ...Buffer.from('COMMIT\0')]);

export async function startProxy(target: DatabaseTarget): Promise<PostgresProxy> {
  const url = new URL(target.url);
  const [host, port] = [url.hostname, Number(url.port)];
  const sockets = new Set<Socket>();
  // As over a network that drops everything, a silent peer does not answer the end of a connection either.
  const server = createServer({ allowHalfOpen: true }, (client) => {
    if (proxy.mode === 'refuses') {
      client.destroy();
      return;
    }
    const database = connect(port, host);
    const pair = [client, database];
    const end = (): void => {
      for (const socket of pair) {
        socket.destroy();
        sockets.delete(socket);
      }
    };
    for (const socket of pair) {
      sockets.add(socket);
      socket.on('error', end).on('close', end);
    }
    client.on('end', () => {
      if (proxy.mode !== 'silent') end();
    });
    let losing = false;
    client.on('data', (data) => {
      if (proxy.mode !== 'passes') return;
      if (proxy.commitsToLose > 0 && data.includes(COMMIT)) {
        proxy.commitsToLose -= 1;
        losing = true;
      }
      database.write(data);
    });
    database.on('data', (data) => {
      if (losing) {
        // The server has answered, so it is committed.
        proxy.mode = proxy.afterLoss;
        end();
      } else if (proxy.mode === 'passes') client.write(data);
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  url.port = String(address.port);
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  const proxy: PostgresProxy = {
    target: { ...target, url: url.href },
    mode: 'passes',
    commitsToLose: 0,
    afterLoss: 'passes',
    cut,
  };
  onTestFinished(() => {
    cut();
    server.close();
  });
  return proxy;
}
