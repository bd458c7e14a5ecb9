'use strict';

const assert = require('node:assert/strict');
const test = require('node:test');
const { TRANSPORTS, next, serve, upgraded } = require('../../support/socket-io');

/** What each client hears of `event` until all have heard `done`. */
async function hear(io, clients, event, speak) {
  const heard = clients.map(() => []);
  const listeners = clients.map((client, index) => (value) => heard[index].push(value));
  clients.forEach((client, index) => client.on(event, listeners[index]));
  const done = Promise.all(clients.map((client) => next(client, 'done')));
  await speak();
  io.emit('done');
  await done;
  clients.forEach((client, index) => client.off(event, listeners[index]));
  return heard;
}

for (const [name, transports] of Object.entries(TRANSPORTS)) {
  test(`Socket.IO over ${name}: rooms`, async (t) => {
    const { io, connect } = await serve(t);
    const pairs = [];
    for (let count = 0; count < 4; count += 1) {
      pairs.push(await connect('/', { transports }));
    }
    const clients = pairs.map(({ client }) => client);
    const [a, b, c, d] = pairs.map(({ socket }) => socket);
    if (transports.includes('websocket')) {
      await Promise.all(clients.map(upgraded));
    }
    a.join('one');
    b.join(['one', 'two']);
    c.join('two');
    assert.deepEqual([...b.rooms].sort(), [b.id, 'one', 'two'].sort());

    const expectHeard = async (speak, expected) => {
      assert.deepEqual(await hear(io, clients, 'event', speak), expected);
    };
    await expectHeard(() => io.emit('event', 1), [[1], [1], [1], [1]]);
    await expectHeard(() => io.to('one').emit('event', 2), [[2], [2], [], []]);
    await expectHeard(() => io.to('one').to('two').emit('event', 3), [[3], [3], [3], []]);
    await expectHeard(() => io.in('two').except('one').emit('event', 4), [[], [], [4], []]);
    await expectHeard(() => a.to('one').emit('event', 5), [[], [5], [], []]);
    await expectHeard(() => d.broadcast.emit('event', 6), [[6], [6], [6], []]);
    await expectHeard(() => io.to(c.id).emit('event', 7), [[], [], [7], []]);
    await expectHeard(() => io.to('nobody').emit('event', 8), [[], [], [], []]);
    const binary = Buffer.from([0, 255, 10]);
    await expectHeard(() => io.to('two').emit('event', binary), [[], [binary], [binary], []]);

    b.leave('two');
    await expectHeard(() => io.to('two').emit('event', 9), [[], [], [9], []]);
    io.socketsJoin('all');
    io.in('all').socketsLeave('one');
    await expectHeard(() => io.to('one').emit('event', 10), [[], [], [], []]);
    await expectHeard(() => io.to('all').emit('event', 11), [[11], [11], [11], [11]]);
    const found = await io.in('two').fetchSockets();
    assert.deepEqual(found.map(({ id }) => id), [c.id]);

    const left = next(clients[2], 'disconnect');
    io.in('two').disconnectSockets(true);
    const [reason] = await left;
    assert.match(reason, /^(transport close|io server disconnect)$/);
    assert.equal(io.sockets.adapter.rooms.has('two'), false);
  });
}

test('Socket.IO: an acknowledgement from everyone of a room', async (t) => {
  const { io, connect } = await serve(t);
  for (const transports of Object.values(TRANSPORTS)) {
    const { client, socket } = await connect('/', { transports });
    socket.join('room');
    client.on('ask', (value, done) => done(value + 1));
  }
  assert.deepEqual(await io.to('room').timeout(5000).emitWithAck('ask', 41), [42, 42, 42]);
  const { socket } = await connect('/');
  socket.join('room');
  await assert.rejects(io.to('room').timeout(100).emitWithAck('ask', 1), (error) => {
    assert.deepEqual(error.responses, [2, 2, 2]);
    return true;
  });
});

test('Socket.IO: namespaces, with and without a pattern', async (t) => {
  const { io, connect, create } = await serve(t);
  io.of('/chat').on('connection', (socket) => socket.emit('welcome', 'chat'));
  io.of(/^\/tenant-\d+$/).on('connection', (socket) => {
    socket.emit('welcome', socket.nsp.name);
  });
  const root = await connect('/');
  const chat = create('/chat');
  assert.equal(await next(chat, 'welcome'), 'chat');
  const tenant = create('/tenant-7');
  assert.equal(await next(tenant, 'welcome'), '/tenant-7');
  const unknown = create('/unknown');
  assert.equal((await next(unknown, 'connect_error')).message, 'Invalid namespace');

  let strays = 0;
  root.client.on('event', () => (strays += 1));
  tenant.on('event', () => (strays += 1));
  const heard = next(chat, 'event');
  io.of('/chat').emit('event', 'for the chat');
  assert.equal(await heard, 'for the chat');
  assert.equal(strays, 0);
});

test('Socket.IO: several namespaces over one connection', async (t) => {
  const { io, port } = await serve(t);
  const { Manager } = require('socket.io-client');
  for (const name of ['/', '/a', '/b']) {
    io.of(name).on('connection', (socket) => {
      socket.on('where', (done) => done(socket.nsp.name));
    });
  }
  const manager = new Manager(`http://127.0.0.1:${port}`, { reconnection: false });
  t.after(() => manager._close());
  const sockets = ['/', '/a', '/b'].map((name) => manager.socket(name));
  const answers = await Promise.all(sockets.map((socket) => socket.emitWithAck('where')));
  assert.deepEqual(answers, ['/', '/a', '/b']);
  assert.equal(io.engine.clientsCount, 1);
  const gone = next(sockets[1], 'disconnect');
  for (const socket of await io.of('/a').fetchSockets()) {
    socket.disconnect();
  }
  await gone;
  assert.equal(await sockets[2].emitWithAck('where'), '/b');
});

test('Socket.IO: a middleware that waits, lets in and refuses', async (t) => {
  const { io, create, connect } = await serve(t);
  io.use((socket, done) => {
    setTimeout(() => {
      const { token } = socket.handshake.auth;
      if (token === 'right') {
        socket.data.user = 'ann';
        done();
      } else {
        done(Object.assign(new Error('not you'), { data: { code: 7 } }));
      }
    }, 10);
  });
  const refused = create('/', { auth: { token: 'wrong' } });
  const error = await next(refused, 'connect_error');
  assert.equal(error.message, 'not you');
  assert.deepEqual(error.data, { code: 7 });
  const { socket } = await connect('/', {
    auth: { token: 'right' },
    query: { from: 'test' },
    extraHeaders: { 'X-Own': 'header' },
  });
  assert.equal(socket.data.user, 'ann');
  assert.equal(socket.handshake.query.from, 'test');
  assert.equal(socket.handshake.headers['x-own'], 'header');
  assert.match(socket.handshake.address, /127\.0\.0\.1|7f00:0001/);
});
