'use strict';

const assert = require('node:assert/strict');
const { uws, both, own } = require('./support/implementation');
const { serve } = require('./support/server');
const { connect, request } = require('./support/raw');
const { open } = require('./support/websocket');
const { deferred } = require('./support/wait');

const MESSAGE = 'Text and data can only be passed by String, ArrayBuffer or ArrayBufferView.';
const BYTES = Array.from({ length: 16 }, (_, at) => 65 + at);

function filled(view) {
  new Uint8Array(view.buffer, view.byteOffset, view.byteLength).set(BYTES);
  return view;
}

const VIEWS = [
  Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array,
  Float32Array, Float64Array, BigInt64Array, BigUint64Array,
];

const STRINGS = { 'a string': 'ABCDEFGHIJKLMNOP' };
for (const View of VIEWS) {
  STRINGS[`a ${View.name}`] = filled(new View(16 / View.BYTES_PER_ELEMENT));
  STRINGS[`a part of a buffer as ${View.name}`] =
    filled(new View(new ArrayBuffer(48), 16, 16 / View.BYTES_PER_ELEMENT));
  STRINGS[`shared memory as ${View.name}`] =
    filled(new View(new SharedArrayBuffer(32), 8, 16 / View.BYTES_PER_ELEMENT));
}
STRINGS['an ArrayBuffer'] = filled(new Uint8Array(16)).buffer;
STRINGS['a SharedArrayBuffer'] = filled(new Uint8Array(new SharedArrayBuffer(16))).buffer;
STRINGS['a Buffer'] = Buffer.from(BYTES);
STRINGS['a DataView'] =
  new DataView(filled(new Uint8Array(new ArrayBuffer(32), 4, 16)).buffer, 4, 16);

both('every kind of string in a response, a header and a message', async (t) => {
  let given;
  const { port } = serve(t, (app) => {
    app.get('/', (res) => res.writeHeader('x-a', given).end(given));
    app.get('/chunks', (res) => {
      res.write(given);
      res.end(given);
    });
    app.ws('/ws', { message: (ws) => ws.send(given) });
  });
  const client = await connect(t, port);
  const socket = await open(t, port, '/ws');
  for (const [name, value] of Object.entries(STRINGS)) {
    given = value;
    client.write(request('GET', '/'));
    const response = await client.response();
    assert.equal(response.header('x-a'), 'ABCDEFGHIJKLMNOP', name);
    assert.equal(response.text, 'ABCDEFGHIJKLMNOP', name);
    client.write(request('GET', '/chunks'));
    assert.equal((await client.response()).text, 'ABCDEFGHIJKLMNOPABCDEFGHIJKLMNOP', name);
    socket.send('go');
    assert.equal(await socket.text(), 'ABCDEFGHIJKLMNOP', name);
  }
});

both('empty strings of every kind', async (t) => {
  const { port } = serve(t, (app) => {
    app.get('/:n', (res, req) => {
      const empty = [undefined, '', new ArrayBuffer(0), new Uint8Array(0), Buffer.alloc(0),
        new SharedArrayBuffer(0), new DataView(new ArrayBuffer(4), 4)];
      res.end(empty[Number(req.getParameter(0))]);
    });
  });
  const client = await connect(t, port);
  for (let number = 0; number < 7; number++) {
    client.write(request('GET', `/${number}`));
    assert.equal((await client.response()).header('content-length'), '0');
  }
});

own('a buffer that was detached is empty', async (t) => {
  const { port } = serve(t, (app) => {
    app.get('/', (res) => {
      const view = new Uint8Array(8);
      structuredClone(view.buffer, { transfer: [view.buffer] });
      res.end(view);
    });
  });
  const client = await connect(t, port);
  client.write(request('GET', '/'));
  assert.equal((await client.response()).text, '');
});

const NOT_STRINGS = [null, 0, 1, -1.5, NaN, true, false, {}, [], 5n, Symbol('s'), () => {},
  new String('x'), new Date(0), /x/, new Map(), Promise.resolve()];

function throwing(attempts) {
  const wrong = [];
  for (const [name, attempt] of Object.entries(attempts)) {
    for (const value of NOT_STRINGS) {
      try {
        attempt(value);
        wrong.push(`${name} took ${String(value)}`);
      } catch (error) {
        if (error.message !== MESSAGE) {
          wrong.push(`${name} of ${String(value)}: ${error.message}`);
        }
      }
    }
  }
  return wrong;
}

both('what is no string throws, in an app', (t) => {
  serve(t, (app) => {
    assert.deepEqual(throwing({
      get: (value) => app.get(value, () => {}),
      any: (value) => app.any(value, () => {}),
      ws: (value) => app.ws(value, {}),
      publishTopic: (value) => app.publish(value, 'x'),
      publishMessage: (value) => app.publish('topic', value),
      numSubscribers: (value) => app.numSubscribers(value),
    }), []);
  });
});

both('what is no string throws, in a response', async (t) => {
  let wrong;
  const { port } = serve(t, (app) => {
    app.get('/', (res) => {
      wrong = throwing({
        writeStatus: (value) => res.writeStatus(value),
        headerKey: (value) => res.writeHeader(value, 'x'),
        headerValue: (value) => res.writeHeader('x', value),
        write: (value) => res.write(value),
        tryEnd: (value) => res.tryEnd(value, 10),
        end: (value) => res.end(value),
      });
      res.end('well');
    });
  });
  const client = await connect(t, port);
  client.write(request('GET', '/'));
  const response = await client.response();
  assert.deepEqual(wrong, []);
  assert.equal(response.text, 'well');
});

both('what is no string throws, in a request', async (t) => {
  let wrong;
  const { port } = serve(t, (app) => {
    app.get('/', (res, req) => {
      const isKey = (value) => typeof value !== 'number';
      wrong = throwing({
        getHeader: (value) => req.getHeader(value),
        getQuery: (value) => req.getQuery(value),
        getParameter: (value) => {
          if (!isKey(value)) {
            throw new Error(MESSAGE);
          }
          req.getParameter(value);
        },
      });
      res.end();
    });
  });
  const client = await connect(t, port);
  client.write(request('GET', '/'));
  await client.response();
  assert.deepEqual(wrong, []);
});

both('what is no string throws, in a WebSocket', async (t) => {
  const opened = deferred();
  const { port } = serve(t, (app) => app.ws('/*', { open: opened.resolve }));
  const client = await open(t, port);
  const ws = await opened.promise;
  assert.deepEqual(throwing({
    send: (value) => ws.send(value),
    sendFirstFragment: (value) => ws.sendFirstFragment(value),
    sendFragment: (value) => ws.sendFragment(value),
    sendLastFragment: (value) => ws.sendLastFragment(value),
    ping: (value) => ws.ping(value),
    publishTopic: (value) => ws.publish(value, 'x'),
    publishMessage: (value) => ws.publish('topic', value),
    subscribe: (value) => ws.subscribe(value),
    unsubscribe: (value) => ws.unsubscribe(value),
    isSubscribed: (value) => ws.isSubscribed(value),
    end: (value) => ws.end(1000, value),
  }), []);
  ws.send('well');
  assert.equal(await client.text(), 'well');
});

both('missing arguments are named by their number', async (t) => {
  const wants = (count) => ({ message: `Function requires at least ${count} arguments.` });
  const opened = deferred();
  const { app, port } = serve(t, (app) => app.ws('/*', { open: opened.resolve }));
  for (const parameters of [[], ['topic']]) {
    assert.throws(() => app.publish(...parameters), wants(2));
    assert.throws(() => app.ws(...parameters), wants(2));
    assert.throws(() => app.listen_unix(...parameters), wants(2));
    assert.throws(() => app.listen(...parameters), wants(2));
  }
  assert.throws(() => app.numSubscribers(), wants(1));
  assert.throws(() => app.domain(), wants(1));
  await open(t, port);
  const ws = await opened.promise;
  assert.throws(() => ws.publish(), wants(2));
  assert.throws(() => ws.publish('topic'), wants(2));
  assert.ok(uws.App);
});

both('handlers have to be functions', (t) => {
  const { app } = serve(t, () => {});
  const message = 'Passed callback is not a valid function.';
  for (const name of ['get', 'post', 'options', 'del', 'patch', 'put', 'head', 'connect', 'trace',
    'any']) {
    for (const value of [undefined, 1, 'text', {}, true]) {
      assert.throws(() => app[name]('/', value), { message }, name);
    }
    assert.throws(() => app[name]('/'), { message }, name);
  }
  for (const value of [undefined, 1, 'text', {}]) {
    assert.throws(() => app.filter(value), { message });
  }
});

both('strings of every length arrive whole', async (t) => {
  let given;
  const { port } = serve(t, (app) => app.get('/', (res) => res.end(given)));
  const client = await connect(t, port);
  for (const length of [1, 127, 128, 4095, 4096, 16384, 131071, 131072, 131073, 1_000_000]) {
    for (const character of ['x', '\u00e9', '\u20ac', '\u{1f600}']) {
      given = character.repeat(length);
      client.write(request('GET', '/'));
      assert.equal((await client.response()).text, given);
    }
  }
});

own('a lone surrogate is replaced', async (t) => {
  const { port } = serve(t, (app) => app.get('/', (res) => res.end('a\ud800b')));
  const client = await connect(t, port);
  client.write(request('GET', '/'));
  assert.equal((await client.response()).text, 'a\ufffdb');
});
