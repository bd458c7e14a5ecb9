'use strict';

const assert = require('node:assert/strict');
const { randomBytes } = require('node:crypto');
const test = require('node:test');
const uws = require('uWebSockets.js');
const { TRANSPORTS, next, serve } = require('../../support/socket-io');

for (const [name, transports] of Object.entries(TRANSPORTS)) {
  test(`Socket.IO over ${name}: events and acknowledgements both ways`, async (t) => {
    const { connect } = await serve(t);
    const { client, socket } = await connect('/', { transports });
    socket.on('add', (a, b, done) => done({ sum: a + b }));
    socket.on('ignore', () => {});
    client.on('name', (done) => done('é\u{1f600}', [1, null], { nested: [true] }));
    client.on('ignore', () => {});

    assert.deepEqual(await client.emitWithAck('add', 40, 2), { sum: 42 });
    const answer = await new Promise((resolve) => {
      socket.emit('name', (...values) => resolve(values));
    });
    assert.deepEqual(answer, ['é\u{1f600}', [1, null], { nested: [true] }]);
    await assert.rejects(client.timeout(50).emitWithAck('ignore'), /timed out/);
    await assert.rejects(socket.timeout(50).emitWithAck('ignore'), /timed out/);

    const many = Array.from({ length: 200 }, (_, index) => client.emitWithAck('add', index, 1));
    const sums = await Promise.all(many);
    assert.deepEqual(sums.map(({ sum }) => sum), many.map((_, index) => index + 1));
  });

  test(`Socket.IO over ${name}: binary of many sizes both ways`, async (t) => {
    const { connect } = await serve(t, { maxHttpBufferSize: 20_000_000 });
    const { client, socket } = await connect('/', { transports });
    socket.on('echo', (value, done) => done(value));
    client.on('echo', (value, done) => done(value));
    for (const bytes of [0, 1, 125, 126, 65_535, 65_536, 1_000_000, 3_000_001]) {
      const data = randomBytes(bytes);
      const value = { text: 'é', parts: [data, { deep: data.subarray(0, 10) }] };
      assert.deepEqual(await client.emitWithAck('echo', value), value, `${bytes} to the server`);
      assert.deepEqual(await socket.emitWithAck('echo', value), value, `${bytes} to the client`);
    }
    const text = 'é'.repeat(500_000);
    assert.equal(await client.emitWithAck('echo', text), text);
    assert.equal(await socket.emitWithAck('echo', text), text);
    const floats = new Float64Array([1.5, -0, Infinity]);
    const echoed = await client.emitWithAck('echo', floats);
    assert.deepEqual(Buffer.from(echoed), Buffer.from(floats.buffer));
  });

  test(`Socket.IO over ${name}: many events arrive in order`, async (t) => {
    const { connect } = await serve(t);
    const { client, socket } = await connect('/', { transports });
    const atServer = [];
    const atClient = [];
    socket.on('tick', (index) => atServer.push(index));
    client.on('tick', (index) => atClient.push(index));
    const indices = Array.from({ length: 1000 }, (_, index) => index);
    const heard = Promise.all([next(socket, 'end'), next(client, 'end')]);
    for (const index of indices) {
      client.emit('tick', index, 'x'.repeat(index % 300));
      socket.emit('tick', index, Buffer.alloc(index % 300));
      if (index % 100 === 0) {
        await new Promise(setImmediate);
      }
    }
    client.emit('end');
    socket.emit('end');
    await heard;
    assert.deepEqual(atServer, indices);
    assert.deepEqual(atClient, indices);
  });
}

test('Socket.IO: nothing is lost or doubled while the transport is upgraded', async (t) => {
  const { io, create } = await serve(t);
  const atServer = [];
  const atClient = [];
  const lastAtServer = new Promise((resolve) => {
    io.on('connection', (socket) => {
      let sent = 0;
      const timer = setInterval(() => socket.emit('tick', (sent += 1)), 1);
      socket.on('disconnect', () => clearInterval(timer));
      socket.on('tick', (index) => atServer.push(index));
      socket.on('stop', (done) => {
        clearInterval(timer);
        done(sent);
        resolve();
      });
    });
  });
  const client = create();
  client.on('tick', (index) => atClient.push(index));
  const change = next(client.io.engine, 'upgrade');
  await next(client, 'connect');
  let sent = 0;
  const timer = setInterval(() => client.emit('tick', (sent += 1)), 1);
  t.after(() => clearInterval(timer));
  assert.equal((await change).name, 'websocket');
  while (sent < 100) {
    await new Promise(setImmediate);
  }
  clearInterval(timer);
  const total = await client.emitWithAck('stop');
  await lastAtServer;
  const count = (length) => Array.from({ length }, (_, index) => index + 1);
  assert.deepEqual(atServer, count(sent));
  assert.deepEqual(atClient, count(total));
});

test('Socket.IO: volatile and compressed events', async (t) => {
  const { connect } = await serve(t, {}, { compression: uws.SHARED_COMPRESSOR });
  const { client, socket } = await connect('/', { transports: ['websocket'] });
  assert.match(client.io.engine.transport.ws.extensions, /permessage-deflate/);
  socket.on('echo', (value, done) => done(value));
  const text = 'so much of the same '.repeat(5000);
  assert.equal(await client.emitWithAck('echo', text), text);
  const heard = next(client, 'volatile');
  socket.compress(true).volatile.emit('volatile', text);
  assert.equal(await heard, text);
});
