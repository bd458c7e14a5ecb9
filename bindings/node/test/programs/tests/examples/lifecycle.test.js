'use strict';

const assert = require('node:assert/strict');
const { once } = require('node:events');
const net = require('node:net');
const test = require('node:test');
const { start } = require('../../support/program');
const { connect, fetchAll } = require('../../support/http');
const { open } = require('../../support/websocket');

test('graceful shutdown: what has begun ends, and so does the process', async (t) => {
  const program = await start(t, 'graceful_shutdown');
  assert.equal((await fetchAll(program.port, '/fast')).text, 'fast');
  const client = await open(t, program.port);
  const slow = await connect(t, program.port);
  slow.write('GET /slow HTTP/1.1\r\nHost: a\r\n\r\n');
  assert.equal(await program.line(), 'slow');
  const idle = await connect(t, program.port);

  program.child.kill('SIGTERM');
  assert.equal(await program.line(), 'stopping');
  assert.equal(await program.line(), 'closed 1001 Going away');
  assert.deepEqual(await client.closed, { code: 1001, reason: 'Going away' });
  const refused = net.connect({ host: '127.0.0.1', port: program.port });
  const [error] = await once(refused, 'error');
  assert.equal(error.code, 'ECONNREFUSED');

  const text = await slow.rest();
  assert.match(text, /^HTTP\/1\.1 200 OK\r\n/);
  assert.ok(text.endsWith('\r\n\r\n6\r\nbegun,\r\n8\r\nfinished\r\n0\r\n\r\n'), text);
  assert.equal(await idle.rest(), '');
  assert.equal(await program.line(), 'bye');
  assert.deepEqual(await program.exited, { code: 0, signal: null });
});

test('graceful shutdown: with nothing to wait for', async (t) => {
  const program = await start(t, 'graceful_shutdown');
  program.child.kill('SIGTERM');
  assert.equal(await program.line(), 'stopping');
  assert.equal(await program.line(), 'bye');
  assert.deepEqual(await program.exited, { code: 0, signal: null });
});

test('workers: connections are dealt out, and each is served by one thread', async (t) => {
  const program = await start(t, 'worker_threads');
  const counts = new Map();
  for (let count = 0; count < 30; count += 1) {
    const { text } = await fetchAll(program.port, '/thread');
    counts.set(text, (counts.get(text) ?? 0) + 1);
  }
  assert.deepEqual([...counts.keys()].sort(), ['thread 1', 'thread 2', 'thread 3']);
  assert.deepEqual([...counts.values()], [10, 10, 10]);

  const connection = await connect(t, program.port);
  const seen = new Set();
  for (let count = 0; count < 5; count += 1) {
    connection.write('GET /thread HTTP/1.1\r\nHost: a\r\n\r\n');
    await connection.until('\r\n\r\n');
    seen.add(await connection.take('thread 1'.length));
  }
  assert.equal(seen.size, 1);
});

test('workers: bodies and WebSockets, each of its own thread', async (t) => {
  const program = await start(t, 'worker_threads');
  const body = 'é'.repeat(100_000);
  const doubled = await Promise.all(
    Array.from({ length: 9 }, () =>
      fetchAll(program.port, '/double', { method: 'POST', body }),
    ),
  );
  for (const { text } of doubled) {
    assert.equal(text.length, 2 * body.length);
    assert.equal(text, body + body);
  }

  const clients = [];
  for (let count = 0; count < 9; count += 1) {
    clients.push(await open(t, program.port));
  }
  const threads = await Promise.all(clients.map((client) => client.next()));
  const [speaker, ...others] = clients;
  speaker.send('news');
  assert.equal(await speaker.next(), 'news');
  for (const [index, client] of others.entries()) {
    if (threads[index + 1] === threads[0]) {
      assert.equal(await client.next(), 'news');
    } else {
      assert.equal(client.pending, 0);
    }
  }
  assert.equal(threads.filter((thread) => thread === threads[0]).length, 3);
});
