'use strict';

const assert = require('node:assert/strict');
const { randomBytes } = require('node:crypto');
const { Readable } = require('node:stream');
const test = require('node:test');
const fastify = require('fastify');
const { serverFactory, websocket: plugin, eventsource } = require('fastify-uws');
const { connect, fetchAll } = require('../../support/http');
const websocket = require('../../support/websocket');

async function serve(t, configure) {
  const app = fastify({ serverFactory, bodyLimit: 5_000_000, forceCloseConnections: true });
  await configure(app);
  await app.listen({ host: '127.0.0.1', port: 0 });
  t.after(() => app.close());
  return app.server.address().port;
}

function post(port, target, body, headers = {}) {
  return fetchAll(port, target, { method: 'POST', body, headers });
}

test('fastify-uws: routes, schemas, hooks and errors', async (t) => {
  const port = await serve(t, (app) => {
    app.addHook('onRequest', async (request, reply) => {
      reply.header('x-hook', request.method);
    });
    app.get('/users/:name', async (request) => ({ ...request.params, ...request.query }));
    app.put('/users/:name', async (request, reply) => reply.code(201).send(request.params.name));
    app.get('/throws', async () => {
      throw Object.assign(new Error('thrown'), { statusCode: 418 });
    });
    const schema = { body: { type: 'object', required: ['a'] } };
    app.post('/checked', { schema }, async (request) => request.body);
  });
  const user = await fetchAll(port, '/users/ann?a=1');
  assert.deepEqual(JSON.parse(user.text), { name: 'ann', a: '1' });
  assert.equal(user.headers['x-hook'], 'GET');
  assert.equal(user.headers['content-type'], 'application/json; charset=utf-8');
  const put = await fetchAll(port, '/users/bob', { method: 'PUT' });
  assert.deepEqual([put.status, put.text], [201, 'bob']);
  assert.equal((await fetchAll(port, '/throws')).status, 418);
  assert.equal((await fetchAll(port, '/nowhere')).status, 404);
  const json = { 'Content-Type': 'application/json' };
  const value = { a: 'é'.repeat(100_000) };
  const checked = await post(port, '/checked', JSON.stringify(value), json);
  assert.deepEqual(JSON.parse(checked.text), value);
  assert.equal((await post(port, '/checked', '{"b":1}', json)).status, 400);
});

test('fastify-uws: streams and raw bodies', async (t) => {
  const data = randomBytes(2_000_000);
  const port = await serve(t, (app) => {
    app.addContentTypeParser('x/own', { parseAs: 'buffer' }, (request, body, done) => {
      done(null, body);
    });
    app.post('/echo', async (request, reply) => reply.type('x/own').send(request.body));
    app.get('/stream', (request, reply) => {
      reply.send(Readable.from([data.subarray(0, 999_999), data.subarray(999_999)]));
    });
  });
  const own = { 'Content-Type': 'x/own' };
  for (const bytes of [1, 65_536, 2_000_000]) {
    const body = data.subarray(0, bytes);
    assert.ok((await post(port, '/echo', body, own)).body.equals(body), `${bytes} bytes`);
  }
  assert.ok((await fetchAll(port, '/stream')).body.equals(data));
});

test('fastify-uws: WebSockets', async (t) => {
  const port = await serve(t, async (app) => {
    await app.register(plugin);
    app.register(async (scope) => {
      scope.get('/echo/:name', { websocket: true }, (socket, request) => {
        socket.send(`hello ${request.params.name}`);
        socket.on('message', (message, isBinary) => socket.send(message, isBinary));
      });
    });
  });
  const client = await websocket.open(t, port, '/echo/ann');
  assert.equal(await client.next(), 'hello ann');
  client.send('é');
  assert.equal(await client.next(), 'é');
  const data = randomBytes(70_000);
  client.send(data);
  assert.deepEqual(await client.next(), data);
  await client.close();
});

test('fastify-uws: server-sent events', async (t) => {
  const port = await serve(t, async (app) => {
    await app.register(eventsource);
    app.get('/events', (request, reply) => {
      reply.sse({ id: '1', data: 'first é' });
      reply.sse({ id: '2', event: 'named', data: 'second' });
    });
  });
  const connection = await connect(t, port);
  connection.write('GET /events HTTP/1.1\r\nHost: a\r\n\r\n');
  const head = await connection.until('\r\n\r\n');
  assert.match(head, /content-type: text\/event-stream/i);
  assert.match(await connection.until('first é'), /id: 1\n[^]*data: first é$/);
  assert.match(await connection.until('second'), /event: named\n[^]*data: second$/);
});
