'use strict';

const assert = require('node:assert/strict');
const { randomBytes } = require('node:crypto');
const { Readable } = require('node:stream');
const test = require('node:test');
const { setTimeout: wait } = require('node:timers/promises');
const { serve } = require('../../support/hyper-express');
const { fetchAll } = require('../../support/http');
const websocket = require('../../support/websocket');

test('hyper-express: WebSocket routes, with texts, buffers and close codes', async (t) => {
  const closes = [];
  const port = await serve(t, (server) => {
    server.ws('/text', { max_payload_length: 100_000 }, (socket) => {
      socket.on('message', (message) => socket.send(`${typeof message} ${message}`));
      socket.on('close', (code, message) => closes.push(`${code} ${message}`));
    });
    server.ws('/binary', { message_type: 'Buffer', max_payload_length: 100_000 }, (socket) => {
      socket.on('message', (message, isBinary) => socket.send(message, isBinary));
    });
    server.ws('/bye', (socket) => socket.close(4123, 'bye'));
  });
  const text = await websocket.open(t, port, '/text');
  text.send('é');
  assert.equal(await text.next(), 'string é');
  await text.close(4321, 'over');
  const binary = await websocket.open(t, port, '/binary');
  for (const bytes of [0, 1, 126, 65_536, 100_000]) {
    const data = randomBytes(bytes);
    binary.send(data);
    assert.deepEqual(await binary.next(), data);
  }
  binary.send('text');
  assert.equal(await binary.next(), 'text');
  binary.send(Buffer.alloc(100_001));
  await binary.closed;
  assert.deepEqual(closes, ['4321 over']);
  const bye = websocket.create(t, port, '/bye');
  assert.deepEqual(await bye.closed, { code: 4123, reason: 'bye' });
  assert.equal(await websocket.refusal(t, port, '/nowhere'), 404);
});

test('hyper-express: upgrades that wait, give a context, or refuse', async (t) => {
  const port = await serve(t, (server) => {
    server.upgrade('/room/:name', async (request, response) => {
      await wait(20);
      const { user } = request.query_parameters;
      if (!user) {
        response.status(403).send('who?');
        return;
      }
      response.upgrade({ user, room: request.path_parameters.name });
    });
    server.ws('/room/:name', (socket) => {
      const { user, room } = socket.context;
      socket.send(`${user} in ${room} from ${socket.ip}`);
    });
    server.get('/room/:name', (request, response) => response.send('a plain request'));
  });
  assert.equal(await websocket.refusal(t, port, '/room/a'), 403);
  for (const name of ['a', 'b']) {
    const client = await websocket.open(t, port, `/room/${name}?user=ann`);
    assert.match(await client.next(), new RegExp(`^ann in ${name} from .*(127.0.0.1|7f00:0001)$`));
  }
  assert.equal((await fetchAll(port, '/room/a')).text, 'a plain request');
});

test('hyper-express: topics, pings, and a stream to a socket', async (t) => {
  const data = randomBytes(2_000_000);
  const subscriptions = [];
  let server;
  const port = await serve(t, (made) => {
    server = made;
    server.ws('/', { compression: require('uWebSockets.js').SHARED_COMPRESSOR }, (socket) => {
      socket.subscribe('news');
      socket.on('subscription', (topic, now, before) => subscriptions.push([topic, now, before]));
      socket.on('ping', (message) => socket.send(`ping ${message}`));
      socket.on('message', async (message) => {
        if (message === 'stream') {
          await socket.stream(Readable.from([data.subarray(0, 999_999), data.subarray(999_999)]));
          socket.send('end');
        } else {
          socket.publish('news', message);
          socket.send(JSON.stringify([socket.topics, socket.is_subscribed('news')]));
        }
      });
    });
  });
  const a = await websocket.open(t, port);
  const b = await websocket.open(t, port);
  a.send('to the others');
  assert.deepEqual(await a.nextJson(), [['news'], true]);
  assert.equal(await b.next(), 'to the others');
  assert.equal(server.num_of_subscribers('news'), 2);
  assert.equal(server.publish('news', 'to all'), true);
  assert.deepEqual([await a.next(), await b.next()], ['to all', 'to all']);
  b.socket.ping('data');
  assert.equal(await b.next(), 'ping data');
  a.send('stream');
  assert.deepEqual(await a.next(), data);
  assert.equal(await a.next(), 'end');
  await b.close();
  a.send('alone');
  await a.next();
  assert.equal(server.num_of_subscribers('news'), 1);
  const left = ([topic, now, before]) => `${topic} ${before} ${now}` === 'news 2 1';
  assert.ok(subscriptions.some(left));
});

test('hyper-express: many sockets echo at once', async (t) => {
  const port = await serve(t, (server) => {
    server.ws('/', { message_type: 'ArrayBuffer' }, (socket) => {
      socket.on('message', (message, isBinary) => socket.send(message, isBinary));
    });
  });
  const visit = async (index) => {
    const client = await websocket.open(t, port);
    for (let round = 0; round < 20; round += 1) {
      const data = Buffer.alloc(index * 10, index + round);
      client.send(data);
      assert.deepEqual(await client.next(), data);
    }
    await client.close();
  };
  await Promise.all(Array.from({ length: 50 }, (_, index) => visit(index)));
});
