/** A TCP proxy before PostgreSQL that loses, delays, cuts or refuses what a test tells it to. */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { onTestFinished } from 'vitest';
import type { DatabaseTarget } from '../../src/config/database.ts';

export interface PostgresProxy {
  /** The same database, through the proxy. */
  readonly target: DatabaseTarget;
  /**
   * passes: all of it. silent: connections stay open, nothing gets through; mute: only what the server
   * says is lost; deaf: only what it is asked. refuses: no connection.
   */
  mode: 'passes' | 'silent' | 'mute' | 'deaf' | 'refuses';
  /** So many COMMITs are carried out by the server, and their answers lost, with the connection unless the mode becomes silent. */
  commitsToLose: number;
  /** What the mode becomes when a COMMIT's answer was lost. */
  afterLoss: 'passes' | 'silent' | 'refuses';
  /** How much later everything arrives, in ms each way. */
  delayMs: number;
  /** The next message of the one or the other passes by half, and the connection ends. */
  toHalve: 'request' | 'answer' | null;
  /** Ends every connection now. */
  cut(): void;
}

type Send = (data: Buffer) => Promise<void>;

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
      if (proxy.mode !== 'silent' && proxy.mode !== 'deaf') end();
    });
    const toDatabase = line(database);
    const toClient = line(client);
    let losing = false;
    client.on('data', (data) => {
      if (proxy.mode === 'silent' || proxy.mode === 'deaf') return;
      if (proxy.commitsToLose > 0 && data.includes(COMMIT)) {
        proxy.commitsToLose -= 1;
        losing = true;
      }
      if (proxy.toHalve === 'request') void halve(data, toDatabase).then(end);
      else void toDatabase(data);
    });
    database.on('data', (data) => {
      if (losing) {
        // The server has answered, so it is committed.
        losing = false;
        proxy.mode = proxy.afterLoss;
        if (proxy.mode !== 'silent') end();
      } else if (proxy.mode === 'silent' || proxy.mode === 'mute') return;
      else if (proxy.toHalve === 'answer') void halve(data, toClient).then(end);
      else void toClient(data);
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  url.port = String(address.port);
  /** One direction of a connection: delayed, and in order. */
  const line = (to: Socket): Send => {
    let before = Promise.resolve();
    return (data) => {
      const arrived = proxy.delayMs === 0 ? before : Promise.all([before, sleep(proxy.delayMs)]);
      before = arrived.then(() => {
        if (!to.destroyed) to.write(data);
      });
      return before;
    };
  };
  const halve = (data: Buffer, send: Send): Promise<void> => {
    proxy.toHalve = null;
    return send(data.subarray(0, data.length / 2));
  };
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  const proxy: PostgresProxy = {
    target: { ...target, url: url.href },
    mode: 'passes',
    commitsToLose: 0,
    afterLoss: 'passes',
    delayMs: 0,
    toHalve: null,
    cut,
  };
  onTestFinished(() => {
    cut();
    server.close();
  });
  return proxy;
}
