'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const test = require('node:test');
const zlib = require('node:zlib');
const { fetchAll } = require('../../support/http');
const { isKeirin } = require('../../support/peer');
const { next, serve } = require('../../support/socket-io');
const websocket = require('../../support/websocket');

const CLIENT = path.join(path.dirname(require.resolve('socket.io/package.json')), 'client-dist');
const BASE = '/socket.io/?EIO=4&transport=polling';

function post(port, target, body, headers = {}) {
  return fetchAll(port, target, { method: 'POST', body, headers });
}

/** Opens a session by hand and gives its id. */
async function session(port, headers) {
  const response = await fetchAll(port, BASE, { headers });
  assert.equal(response.status, 200);
  return JSON.parse(response.text.slice(1)).sid;
}

test('Socket.IO: a session by hand, byte by byte', async (t) => {
  const { io, port } = await serve(t);
  const opened = await fetchAll(port, BASE);
  assert.equal(opened.text[0], '0');
  const { sid, ...rest } = JSON.parse(opened.text.slice(1));
  assert.match(sid, /^[\w-]{20}$/);
  assert.deepEqual(rest, {
    upgrades: ['websocket'],
    pingInterval: 25000,
    pingTimeout: 20000,
    maxPayload: 1e6,
  });
  assert.deepEqual(opened.fields, [
    ['content-type', 'text/plain; charset=UTF-8'],
    ['cache-control', 'no-store'],
    ['content-length', String(opened.body.length)],
  ]);

  const target = `${BASE}&sid=${sid}`;
  const connection = next(io, 'connection');
  const accepted = await post(port, target, '40');
  assert.equal(`${accepted.status} ${accepted.text}`, '200 ok');
  const socket = await connection;
  assert.equal((await fetchAll(port, target)).text, `40{"sid":"${socket.id}"}`);
  const said = next(socket, 'say');
  await post(port, target, '42["say","é"]\x1e42["more"]');
  assert.equal(await said, 'é');
  const polled = fetchAll(port, target);
  socket.emit('answer', Buffer.from([1, 2, 3]), 'ü');
  const answer = '451-["answer",{"_placeholder":true,"num":0},"ü"]\x1ebAQID';
  assert.equal((await polled).text, answer);

  const left = next(socket, 'disconnect');
  await post(port, target, '1');
  assert.equal((await left)[0], 'transport close');
  const gone = await fetchAll(port, target);
  assert.deepEqual([gone.status, JSON.parse(gone.text).code], [400, 1]);
});

test('Socket.IO: what is refused, and how', async (t) => {
  const { io, port } = await serve(t);
  const errors = [];
  io.engine.on('connection_error', ({ code }) => errors.push(code));
  const refused = async (response, status, value) => {
    const { status: actual, text, headers } = await response;
    assert.deepEqual([actual, text && JSON.parse(text)], [status, value]);
    if (text) {
      assert.equal(headers['content-type'], 'application/json');
    }
  };
  const transport = { code: 0, message: 'Transport unknown' };
  await refused(fetchAll(port, '/socket.io/'), 400, transport);
  await refused(fetchAll(port, '/socket.io/?transport=pigeon&EIO=4'), 400, transport);
  await refused(fetchAll(port, `${BASE}&sid=none`), 400, {
    code: 1,
    message: 'Session ID unknown',
  });
  await refused(post(port, BASE, 'x'), 400, { code: 2, message: 'Bad handshake method' });
  await refused(fetchAll(port, '/socket.io/?transport=websocket&EIO=4'), 400, {
    code: 3,
    message: 'Bad request',
  });
  await refused(fetchAll(port, '/socket.io/?transport=polling&EIO=3'), 400, {
    code: 5,
    message: 'Unsupported protocol version',
  });
  assert.deepEqual(errors, [0, 0, 1, 2, 3, 5]);

  const status = await websocket.refusal(t, port, '/socket.io/?EIO=4&transport=websocket&sid=none');
  assert.equal(status, 400);
});

test('Socket.IO: two polls at once end the session', async (t) => {
  const { io, port } = await serve(t);
  const target = `${BASE}&sid=${await session(port)}`;
  await fetchAll(port, target, { method: 'POST', body: '40' });
  await fetchAll(port, target);
  const first = fetchAll(port, target);
  await new Promise((resolve) => setTimeout(resolve, 50));
  const second = await fetchAll(port, target);
  assert.equal(second.status, 500);
  await first.catch(() => {});
  assert.equal(io.engine.clientsCount, 0);
});

test('Socket.IO: maxHttpBufferSize of requests, both sides', async (t) => {
  const limit = 2000;
  const { io, port } = await serve(t, { maxHttpBufferSize: limit });
  const say = (bytes) => `42["say","${'x'.repeat(bytes - '42["say",""]'.length)}"]`;
  const target = `${BASE}&sid=${await session(port)}`;
  await post(port, target, '40');
  const [socket] = io.sockets.sockets.values();
  const said = next(socket, 'say');
  assert.equal((await post(port, target, say(limit))).text, 'ok');
  assert.equal((await said).length, limit - '42["say",""]'.length);

  const left = next(socket, 'disconnect');
  const refused = await post(port, target, say(limit + 1));
  assert.equal(refused.status, 413);
  assert.equal((await left)[0], 'transport error');
});

test('Socket.IO: maxHttpBufferSize of WebSocket messages, both sides', async (t) => {
  const limit = 2000;
  const { connect } = await serve(t, { maxHttpBufferSize: limit });
  const { client, socket } = await connect('/', { transports: ['websocket'] });
  const said = next(socket, 'say');
  const overhead = '42["say",""]'.length;
  client.emit('say', 'x'.repeat(limit - overhead));
  assert.equal((await said).length, limit - overhead);
  const whole = next(socket, 'binary');
  client.emit('binary', Buffer.alloc(limit, 7));
  assert.deepEqual(await whole, Buffer.alloc(limit, 7));

  const left = next(socket, 'disconnect');
  const cut = next(client, 'disconnect');
  client.emit('say', 'x'.repeat(limit - overhead + 1));
  assert.match((await left)[0], /^transport (close|error)$/);
  assert.match((await cut)[0], /^transport (close|error)$/);
});

test('Socket.IO: CORS for requests and preflights', async (t) => {
  const cors = {
    origin: ['http://one.example', /\.two\.example$/],
    credentials: true,
    methods: ['GET', 'POST'],
    allowedHeaders: ['X-Own'],
  };
  const { port } = await serve(t, { cors });
  const ask = (method, origin) => {
    return fetchAll(port, BASE, { method, headers: { Origin: origin } });
  };
  for (const origin of ['http://one.example', 'http://a.two.example']) {
    const { status, headers } = await ask('GET', origin);
    assert.equal(status, 200);
    assert.equal(headers['access-control-allow-origin'], origin);
    assert.equal(headers['access-control-allow-credentials'], 'true');
  }
  const other = await ask('GET', 'http://other.example');
  assert.equal(other.headers['access-control-allow-origin'], undefined);

  const preflight = await ask('OPTIONS', 'http://one.example');
  assert.equal(preflight.status, 204);
  assert.equal(preflight.text, '');
  assert.equal(preflight.headers['access-control-allow-origin'], 'http://one.example');
  assert.equal(preflight.headers['access-control-allow-methods'], 'GET,POST');
  assert.equal(preflight.headers['access-control-allow-headers'], 'X-Own');
  assert.equal(preflight.headers['access-control-allow-credentials'], 'true');
});

test('Socket.IO: serves its client, byte for byte', async (t) => {
  const { port } = await serve(t);
  for (const file of fs.readdirSync(CLIENT)) {
    const response = await fetchAll(port, `/socket.io/${file}`);
    assert.equal(response.status, 200, file);
    assert.ok(response.body.equals(fs.readFileSync(path.join(CLIENT, file))), file);
    const type = file.endsWith('.map') ? 'application/json' : 'application/javascript';
    assert.equal(response.headers['content-type'], `${type}; charset=utf-8`);
    assert.equal(response.headers['content-length'], String(response.body.length));
    const headers = { 'If-None-Match': response.headers.etag };
    const unchanged = await fetchAll(port, `/socket.io/${file}`, { headers });
    assert.deepEqual([unchanged.status, unchanged.text], [304, '']);
  }
  assert.equal((await fetchAll(port, '/socket.io/other.js')).status, 404);
});

test('Socket.IO: does not serve its client if told so', async (t) => {
  const { port } = await serve(t, { serveClient: false });
  assert.equal((await fetchAll(port, '/socket.io/socket.io.js')).status, 404);
});

test('Socket.IO: long answers are compressed for who takes it', async (t) => {
  const { io, port } = await serve(t, { httpCompression: { threshold: 1024 } });
  const expand = { gzip: zlib.gunzipSync, deflate: zlib.inflateSync };
  for (const [coding, inflate] of Object.entries(expand)) {
    const target = `${BASE}&sid=${await session(port)}`;
    const connection = next(io, 'connection');
    await post(port, target, '40');
    const socket = await connection;
    const headers = { 'Accept-Encoding': coding };
    await fetchAll(port, target, { headers });
    const text = 'again and '.repeat(1000);
    socket.emit('long', text);
    const long = await fetchAll(port, target, { headers });
    assert.equal(long.headers['content-encoding'], coding);
    assert.ok(long.body.length < 1000);
    assert.equal(inflate(long.body).toString(), `42["long","${text}"]`);
    socket.emit('short', 'x');
    const short = await fetchAll(port, target, { headers });
    assert.equal(short.headers['content-encoding'], undefined);
    assert.equal(short.text, '42["short","x"]');
    socket.disconnect(true);
  }
});

test('Socket.IO: who may connect is asked, and headers and cookies set', async (t) => {
  const { io, port, create, connect } = await serve(t, {
    cookie: { name: 'session', httpOnly: true, sameSite: 'strict' },
    allowRequest: (request, decide) => {
      setTimeout(() => decide('not here', request.headers['x-token'] === 'right'), 10);
    },
  });
  io.engine.on('initial_headers', (headers) => {
    headers['x-initial'] = 'yes';
  });
  io.engine.on('headers', (headers) => {
    headers['x-every'] = 'yes';
  });
  const headers = { 'X-Token': 'right' };
  const opened = await fetchAll(port, BASE, { headers });
  const { sid } = JSON.parse(opened.text.slice(1));
  assert.equal(opened.headers['x-initial'], 'yes');
  assert.equal(opened.headers['x-every'], 'yes');
  assert.match(String(opened.headers['set-cookie']), new RegExp(`^session=${sid}; .*HttpOnly`));
  const sent = await post(port, `${BASE}&sid=${sid}`, '40', headers);
  assert.deepEqual([sent.headers['x-initial'], sent.headers['x-every']], [undefined, 'yes']);

  assert.equal((await fetchAll(port, BASE)).status, 403);
  for (const transports of [['polling'], ['websocket']]) {
    const refused = create('/', { transports });
    assert.ok((await next(refused, 'connect_error')) instanceof Error);
    const { socket } = await connect('/', { transports, extraHeaders: headers });
    assert.ok(socket.connected);
  }
});

test('Socket.IO: middlewares of the engine, as express has them', async (t) => {
  const { io, port, connect } = await serve(t);
  io.engine.use((request, response, done) => {
    response.setHeader('X-Middleware', request.url);
    setTimeout(done, 10);
  });
  io.engine.use((request, response, done) => {
    if (request._query.refuse) {
      response.writeHead(401);
      response.end('refused');
      return;
    }
    done();
  });
  const opened = await fetchAll(port, BASE);
  assert.equal(opened.headers['x-middleware'], '/socket.io/');
  const refused = await fetchAll(port, `${BASE}&refuse=1`);
  assert.deepEqual([refused.status, refused.text], [401, 'refused']);
  // uWebSockets.js loses a body that nobody has asked for when the handler returns.
  const kinds = isKeirin ? [['polling'], ['websocket']] : [['websocket']];
  for (const transports of kinds) {
    const { client, socket } = await connect('/', { transports });
    socket.on('echo', (value, done) => done(value));
    assert.equal(await client.emitWithAck('echo', 'through'), 'through');
  }
});
