'use strict';

const assert = require('node:assert/strict');
const { randomBytes } = require('node:crypto');
const { once } = require('node:events');
const test = require('node:test');
const { start } = require('../../support/program');
const { connect, fetchAll } = require('../../support/http');
const { create, open, refusal } = require('../../support/websocket');

test('upgrade after waiting: user data, a subprotocol, headers and an echo', async (t) => {
  const program = await start(t, 'upgrade_async');
  const client = create(t, program.port, '/some/path?token=sesame', { protocols: ['b', 'a'] });
  const [response] = await once(client.socket, 'upgrade');
  assert.equal(response.statusCode, 101);
  assert.equal(response.headers['x-rank'], '40');
  assert.equal(await client.next(), 'Ali at /some/path');
  assert.equal(client.socket.protocol, 'b');
  client.send('text é');
  assert.equal(await client.next(), 'text é');
  for (const bytes of [0, 1, 125, 126, 127, 16_384]) {
    const data = randomBytes(bytes);
    client.send(data);
    assert.deepEqual(await client.next(), data);
  }
  // Whether the code is echoed is the server's choice (RFC 6455 section 5.5.1).
  const { code } = await client.close(4321, 'bye');
  assert.ok(code === 4321 || code === 1005, `code ${code}`);
  assert.equal(await program.line(), 'asked');
  assert.equal(await program.line(), 'Ali left: 4321 bye');
});

test('upgrade after waiting: refusal, and clients that leave before', async (t) => {
  const program = await start(t, 'upgrade_async');
  assert.equal(await refusal(t, program.port, '/?token=wrong'), 401);
  assert.equal(await program.line(), 'asked');
  for (let count = 0; count < 3; count += 1) {
    const client = create(t, program.port, '/?token=sesame');
    assert.equal(await program.line(), 'asked');
    client.socket.terminate();
    assert.equal(await program.line(), 'gone');
  }
  const client = await open(t, program.port, '/?token=xyzzy');
  assert.equal(await client.next(), 'Will at /');
});

test('upgrade after waiting: many at a time', async (t) => {
  const program = await start(t, 'upgrade_async');
  const tokens = Array.from({ length: 60 }, (_, index) => ['sesame', 'xyzzy', 'no'][index % 3]);
  const greetings = await Promise.all(
    tokens.map(async (token, index) => {
      const target = `/${index}?token=${token}`;
      if (token === 'no') {
        return refusal(t, program.port, target);
      }
      return (await open(t, program.port, target)).next();
    }),
  );
  const names = { sesame: 'Ali', xyzzy: 'Will' };
  const expected = (token, index) => (token === 'no' ? 401 : `${names[token]} at /${index}`);
  assert.deepEqual(greetings, tokens.map(expected));
});

test('topics: subscribe, publish, announce, count and leave', async (t) => {
  const program = await start(t, 'pubsub');
  const temperature = 'home/sensors/temperature';
  const first = await open(t, program.port);
  assert.equal(await program.line(), `${temperature}: 0 -> 1`);
  const second = await open(t, program.port);
  assert.equal(await program.line(), `${temperature}: 1 -> 2`);
  const ask = async (client, action, topic, text) => {
    client.sendJson({ action, topic, text });
    return (await client.nextJson()).value;
  };

  // Who publishes does not hear of it; `announce` reaches all.
  assert.equal(await ask(first, 'publish', temperature, '21'), true);
  assert.equal(await second.next(), '21');
  first.sendJson({ action: 'announce', topic: temperature, text: '22' });
  const heard = [await first.next(), await first.next()];
  assert.ok(heard.includes('22'));
  assert.equal(await second.next(), '22');

  assert.equal(await ask(first, 'subscribe', 'light é'), true);
  assert.equal(await program.line(), 'light é: 0 -> 1');
  assert.equal(await ask(first, 'subscribed', 'light é'), true);
  assert.equal(await ask(second, 'subscribed', 'light é'), false);
  assert.deepEqual(await ask(first, 'topics'), [temperature, 'light é']);
  assert.equal(await ask(second, 'count', 'light é'), 1);
  assert.equal(await ask(second, 'count', 'nothing'), 0);
  assert.equal(await ask(second, 'announce', 'nothing', 'x'), false);
  assert.equal(await ask(second, 'unsubscribe', 'light é'), false);
  assert.equal(await ask(first, 'unsubscribe', 'light é'), true);
  assert.equal(await program.line(), 'light é: 1 -> 0');
  assert.equal(await ask(first, 'count', 'light é'), 0);

  first.socket.close();
  assert.equal(await program.line(), `${temperature}: 2 -> 1`);
  second.sendJson({ action: 'nonsense' });
  assert.deepEqual(await second.closed, { code: 4000, reason: 'Unknown action' });
  assert.equal(await program.line(), `${temperature}: 1 -> 0`);
});

test('topics: many subscribers hear all in order', async (t) => {
  const program = await start(t, 'pubsub');
  const clients = await Promise.all(Array.from({ length: 50 }, () => open(t, program.port)));
  const [publisher, ...others] = clients;
  const topic = 'home/sensors/temperature';
  for (let index = 0; index < 100; index += 1) {
    publisher.sendJson({ action: 'publish', topic, text: `${index} ${'x'.repeat(index * 7)}` });
  }
  for (const client of others) {
    for (let index = 0; index < 100; index += 1) {
      assert.equal(await client.next(), `${index} ${'x'.repeat(index * 7)}`);
    }
  }
});

test('chat: rooms, who comes and goes, binary and compressed messages', async (t) => {
  const program = await start(t, 'chat');
  const count = async (room) => (await fetchAll(program.port, `/rooms/${room}`)).text;
  assert.equal(await refusal(t, program.port, '/rooms/a'), 400);
  const ann = await open(t, program.port, '/rooms/a?name=Ann');
  assert.match(ann.socket.extensions, /permessage-deflate/);
  assert.equal(await ann.next(), 'Ann came');
  const bob = await open(t, program.port, '/rooms/a?name=Bob');
  assert.equal(await ann.next(), 'Bob came');
  assert.equal(await bob.next(), 'Bob came');
  const plain = { perMessageDeflate: false };
  const eve = await open(t, program.port, '/rooms/b?name=Eve', plain);
  assert.equal(await eve.next(), 'Eve came');
  const dan = await open(t, program.port, '/rooms/a?name=Dan', plain);
  for (const client of [ann, bob, dan]) {
    assert.equal(await client.next(), 'Dan came');
  }
  assert.deepEqual([await count('a'), await count('b'), await count('c')], ['3', '1', '0']);

  ann.send('hello '.repeat(100));
  assert.equal(await bob.next(), `Ann: ${'hello '.repeat(100)}`);
  assert.equal(await dan.next(), `Ann: ${'hello '.repeat(100)}`);
  const data = randomBytes(1024);
  dan.send(data);
  assert.deepEqual(await ann.next(), data);
  assert.deepEqual(await bob.next(), data);

  await bob.close(4001);
  assert.equal(await ann.next(), 'Bob left with 4001');
  assert.equal(await dan.next(), 'Bob left with 4001');
  dan.send('x'.repeat(1025));
  await dan.closed;
  assert.match(await ann.next(), /^Dan left with (1006|1009)$/);
  assert.equal(await count('a'), '1');
  assert.equal(ann.pending + eve.pending, 0);
});

test('rate limit: sockets and addresses on both sides of their limits', async (t) => {
  const program = await start(t, 'rate_limit');
  const address = '0000:0000:0000:0000:0000:ffff:7f00:0001';
  const ask = async () => {
    const { status, headers, text } = await fetchAll(program.port, '/limited');
    assert.ok(text === address || text === '127.0.0.1', text);
    return [status, headers['retry-after']];
  };
  const nextWindow = () => fetchAll(program.port, '/window', { method: 'POST' });
  for (let round = 1; round <= 2; round += 1) {
    for (let count = 0; count < 5; count += 1) {
      assert.deepEqual(await ask(), [200, undefined]);
    }
    assert.deepEqual(await ask(), [429, '1']);
    assert.equal((await nextWindow()).text, String(round));
  }

  const client = await open(t, program.port);
  const other = await open(t, program.port);
  for (let round = 0; round < 2; round += 1) {
    for (let count = 0; count < 5; count += 1) {
      client.send(`${count}`);
      assert.equal(await client.next(), `${count}`);
    }
    await nextWindow();
  }
  for (let count = 0; count < 6; count += 1) {
    client.send('again');
  }
  assert.deepEqual(await client.closed, { code: 1008, reason: 'Too many messages' });
  assert.equal(client.pending, 5);
  other.send('still here');
  assert.equal(await other.next(), 'still here');
});

test('a connection that sends no handshake does not hold others up', async (t) => {
  const program = await start(t, 'chat');
  const idle = await connect(t, program.port);
  idle.write('GET /rooms/a?name=Idle HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n');
  const client = await open(t, program.port, '/rooms/a?name=Ann');
  assert.equal(await client.next(), 'Ann came');
});
