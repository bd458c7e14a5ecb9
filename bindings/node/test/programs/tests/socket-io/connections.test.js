'use strict';

const assert = require('node:assert/strict');
const { once } = require('node:events');
const net = require('node:net');
const test = require('node:test');
const { TRANSPORTS, next, serve, upgraded } = require('../../support/socket-io');

const WEBSOCKET = { transports: ['websocket'] };
const POLLING = { transports: ['polling'] };

for (const [name, transports] of Object.entries(TRANSPORTS)) {
  test(`Socket.IO over ${name}: the client leaves`, async (t) => {
    const { io, connect } = await serve(t);
    const { client, socket } = await connect('/', { transports });
    const left = next(socket, 'disconnect');
    client.disconnect();
    assert.equal((await left)[0], 'client namespace disconnect');
    assert.equal(io.sockets.sockets.size, 0);
  });

  test(`Socket.IO over ${name}: the server sends away`, async (t) => {
    const { connect } = await serve(t);
    const { client, socket } = await connect('/', { transports });
    const left = next(client, 'disconnect');
    socket.disconnect();
    assert.equal((await left)[0], 'io server disconnect');
  });

  test(`Socket.IO over ${name}: the client comes back by itself`, async (t) => {
    const { io, create } = await serve(t);
    const options = { transports, reconnection: true, reconnectionDelay: 10 };
    const client = create('/', options);
    const first = await next(io, 'connection');
    await next(client, 'connect');
    for (let count = 0; count < 3; count += 1) {
      if (transports.includes('websocket')) {
        await upgraded(client);
      }
      const old = client.id;
      const left = next(client, 'disconnect');
      const back = next(io, 'connection');
      const connected = next(client, 'connect');
      client.io.engine.close();
      await left;
      const socket = await back;
      await connected;
      assert.notEqual(client.id, old);
      socket.on('echo', (value, done) => done(value));
      assert.equal(await client.emitWithAck('echo', count), count);
    }
    assert.equal(first.connected, false);
    assert.equal(io.sockets.sockets.size, 1);
  });
}

test('Socket.IO: a connection that breaks is noticed on either side', async (t) => {
  const { io, app, connect } = await serve(t);
  const { client, socket } = await connect('/', WEBSOCKET);
  const left = next(socket, 'disconnect');
  client.io.engine.transport.ws._socket.destroy();
  assert.match((await left)[0], /^transport (close|error)$/);

  const other = await connect('/', WEBSOCKET);
  const cut = next(other.client, 'disconnect');
  app.close();
  assert.match((await cut)[0], /^transport (close|error)$/);
  assert.equal(io.engine.clientsCount, 0);
});

test('Socket.IO: a silent client is dropped after the ping timeout', async (t) => {
  const { connect } = await serve(t, { pingInterval: 50, pingTimeout: 50 });
  const { client, socket } = await connect('/', WEBSOCKET);
  const left = next(socket, 'disconnect');
  client.io.engine.transport.send = () => {};
  assert.equal((await left)[0], 'ping timeout');
});

test('Socket.IO: many pings do not disturb', async (t) => {
  const { connect } = await serve(t, { pingInterval: 20, pingTimeout: 2000 });
  const pairs = [await connect('/', WEBSOCKET), await connect('/', POLLING)];
  for (const { client, socket } of pairs) {
    socket.on('echo', (value, done) => done(value));
    for (let count = 0; count < 10; count += 1) {
      await once(client.io.engine, 'heartbeat');
    }
    assert.equal(await client.emitWithAck('echo', 'still here'), 'still here');
  }
});

test('Socket.IO: what a client missed is sent after it recovered', async (t) => {
  const { io, create } = await serve(t, {
    connectionStateRecovery: { maxDisconnectionDuration: 60_000 },
  });
  const options = { ...WEBSOCKET, reconnection: true, reconnectionDelay: 50 };
  const client = create('/', options);
  const heard = [];
  client.on('tick', (value) => heard.push(value));
  const first = await next(io, 'connection');
  first.join('room');
  first.data.user = 'ann';
  await next(client, 'connect');
  const { id } = client;
  const ticked = next(client, 'tick');
  io.to('room').emit('tick', 1);
  await ticked;

  const left = next(first, 'disconnect');
  const back = next(io, 'connection');
  client.io.engine.close();
  await left;
  io.to('room').emit('tick', 2);
  io.emit('tick', 3);
  const second = await back;
  assert.equal(second.recovered, true);
  assert.deepEqual([second.id, second.data.user], [id, 'ann']);
  assert.ok(second.rooms.has('room'));
  const last = next(client, 'last');
  second.emit('last');
  await last;
  assert.equal(client.recovered, true);
  assert.deepEqual(heard, [1, 2, 3]);
});

test('Socket.IO: clients of all kinds at once, that come and go', async (t) => {
  const { io, connect } = await serve(t);
  io.on('connection', (socket) => socket.on('echo', (value, done) => done(value)));
  const kinds = Object.values(TRANSPORTS);
  const visit = async (index) => {
    const { client } = await connect('/', { transports: kinds[index % kinds.length] });
    const value = { index, data: Buffer.alloc(index * 100, index) };
    assert.deepEqual(await client.emitWithAck('echo', value), value);
    client.disconnect();
  };
  for (let round = 0; round < 3; round += 1) {
    await Promise.all(Array.from({ length: 30 }, (_, index) => visit(index)));
  }
  while (io.engine.clientsCount > 0) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.equal(io.sockets.sockets.size, 0);
});

test('Socket.IO: a body that breaks off ends its session', async (t) => {
  const { io, port, connect } = await serve(t);
  const { client, socket } = await connect('/', POLLING);
  const left = next(socket, 'disconnect');
  const { id } = client.io.engine;
  const connection = net.connect(port, '127.0.0.1');
  t.after(() => connection.destroy());
  await once(connection, 'connect');
  connection.write(
    `POST /socket.io/?EIO=4&transport=polling&sid=${id} HTTP/1.1\r\nHost: a\r\n` +
      'Content-Length: 1000\r\n\r\n42["half',
  );
  setTimeout(() => connection.destroy(), 50);
  assert.equal((await left)[0], 'transport error');
  const again = await connect('/', POLLING);
  assert.ok(again.socket.connected);
  assert.equal(io.sockets.sockets.size, 1);
});
