'use strict';

const assert = require('node:assert/strict');
const test = require('node:test');
const { io: connectTo } = require('socket.io-client');
const { start } = require('../../support/program');
const { TRANSPORTS, next } = require('../../support/socket-io');

async function connect(t, port, transports) {
  const options = { forceNew: true, reconnection: false, transports };
  const client = connectTo(`http://127.0.0.1:${port}`, options);
  t.after(() => client.disconnect());
  client.on('ask', (value, done) => done(`${value} ${client.id}`));
  client.node = await next(client, 'welcome');
  return client;
}

async function startTwo(t, name) {
  const program = await start(t, name);
  const [, second] = /^listening on (\d+)$/.exec(await program.line());
  return [program.port, Number(second)];
}

for (const name of ['socket_io_threads', 'socket_io_cluster']) {
  for (const [way, transports] of Object.entries(TRANSPORTS)) {
    test(`${name} over ${way}: rooms that span two nodes`, async (t) => {
      const ports = await startTwo(t, name);
      const clients = [];
      for (const port of [ports[0], ports[1], ports[1]]) {
        clients.push(await connect(t, port, transports));
      }
      const [a, b, c] = clients;
      assert.equal(new Set([a.node, b.node]).size, 2);
      assert.equal(b.node, c.node);
      while ((await a.emitWithAck('nodes')) < 2 || (await b.emitWithAck('nodes')) < 2) {
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      await Promise.all([a.emitWithAck('join', 'room'), b.emitWithAck('join', 'room')]);

      const heardByB = next(b, 'said');
      const data = Buffer.from([0, 1, 254, 255]);
      a.emit('say', 'room', 'é', data);
      assert.deepEqual(await heardByB, ['é', data]);
      const heardByAll = Promise.all(clients.map((client) => next(client, 'said')));
      c.emit('say to all', 'hello');
      assert.deepEqual(await heardByAll, ['hello', 'hello', 'hello']);

      const answers = await c.emitWithAck('ask', 'room', 'who?');
      assert.deepEqual(answers.sort(), [`who? ${a.id}`, `who? ${b.id}`].sort());
      const who = await a.emitWithAck('who', 'room');
      assert.deepEqual(who.sort(), [[a.id, a.node], [b.id, b.node]].sort());
      assert.deepEqual(await a.emitWithAck('ping others'), [b.node]);

      const left = Promise.all([next(a, 'disconnect'), next(b, 'disconnect')]);
      c.emit('send away', 'room');
      for (const [reason] of await left) {
        assert.equal(reason, 'io server disconnect');
      }
      assert.deepEqual(await c.emitWithAck('who', 'room'), []);
    });
  }
}
