'use strict';

// Options of an app that uWebSockets.js has not: every limit of the engine, by its name.

const assert = require('node:assert/strict');
const { uws, own } = require('./support/implementation');
const { serve } = require('./support/server');
const { connect, request, fetch } = require('./support/raw');
const { deferred, until } = require('./support/wait');

/** Values that are just in range, and such that are just out of it. */
const RANGES = {
  headBytesMax: { valid: [8192, 65536], invalid: [255, 65537] },
  headerCountMax: { valid: [1, 256], invalid: [0, 257] },
  targetBytesMax: { valid: [1, 16384], invalid: [0, 16385] },
  bodyBytesMax: { valid: [0, 2 ** 40], invalid: [-1] },
  chunkExtensionBytesMax: { valid: [0, 2 ** 31], invalid: [-1, 2 ** 32] },
  trailerBytesMax: { valid: [0, 2 ** 31], invalid: [-1, 2 ** 32] },
  pipelinedBytesMax: { valid: [1024, 524288], invalid: [1023, 524289] },
  requestsPerTurnMax: { valid: [1, 1000], invalid: [0, -1, 2 ** 32] },
  connectionsMax: { valid: [1, 1000], invalid: [0, -1] },
  writeBufferBytesMax: { valid: [16384, 2 ** 30], invalid: [16383, -1] },
  discardBytesMax: { valid: [0, 2 ** 30], invalid: [-1] },
  headTimeoutMs: { valid: [1, 60_000], invalid: [0, -1] },
  keepAliveTimeoutMs: { valid: [1, 60_000], invalid: [0, -1] },
  bodyThroughputMin: { valid: [0, 1000], invalid: [-1] },
  bodyWindowMs: { valid: [1, 60_000], invalid: [0, -1] },
  answerTimeoutMs: { valid: [0, 60_000], invalid: [-1] },
  writeStallTimeoutMs: { valid: [1, 60_000], invalid: [0, -1] },
  lingerTimeoutMs: { valid: [1, 60_000], invalid: [0, -1] },
  inboxCapacity: { valid: [1, 1000], invalid: [0, -1] },
  stopCloseCode: { valid: [1001, 1012], invalid: [1000, 1002, 1011, 1013] },
  stopSpreadMs: { valid: [0, 1000], invalid: [-1] },
};

const FLAGS = ['strict', 'halfClose', 'lengthRequired', 'accessLog', 'ioUring'];

function refusesByName(name, value) {
  assert.throws(() => uws.App({ [name]: value }), (error) => {
    assert.ok(error instanceof RangeError || error instanceof TypeError, String(error));
    assert.match(error.message, new RegExp(name));
    return true;
  }, `${name}: ${String(value)}`);
}

own('every setting of the engine is tested here', () => {
  const { settings } = require('../../lib/native.js');
  const names = [...Object.keys(RANGES), ...FLAGS].filter((name) => name !== 'strict');
  assert.deepEqual(Object.keys(settings).sort(), names.sort());
  for (const [name, isFlag] of Object.entries(settings)) {
    assert.equal(isFlag === 1, FLAGS.includes(name), name);
  }
});

for (const [name, { valid, invalid }] of Object.entries(RANGES)) {
  own(`${name} is checked on both sides`, async (t) => {
    for (const value of valid) {
      const { port } = serve(t, (app) => app.get('/', (res) => res.end('well')), { [name]: value });
      if (!name.endsWith('Ms')) {
        assert.equal((await fetch(t, port, '/')).text, 'well', `${name}: ${value}`);
      }
    }
    for (const value of [...invalid, NaN, Infinity, 1.5, 'text', {}, []]) {
      refusesByName(name, value);
    }
  });
}

for (const name of FLAGS) {
  own(`${name} is a boolean`, (t) => {
    for (const value of [true, false]) {
      const app = uws.App({ [name]: value });
      t.after(() => app.close());
    }
    for (const value of [0, 1, 'true', {}]) {
      refusesByName(name, value);
    }
  });
}

own('options that are undefined are not set', async (t) => {
  const options = {};
  for (const name of [...Object.keys(RANGES), ...FLAGS, 'serverHeader']) {
    options[name] = undefined;
  }
  const { port } = serve(t, (app) => app.get('/', (res) => res.end('well')), options);
  assert.equal((await fetch(t, port, '/')).text, 'well');
});

own('serverHeader is sent, and has to be a value', async (t) => {
  const { port } = serve(t, (app) => app.get('/', (res) => res.end()), { serverHeader: 'mine/1' });
  assert.equal((await fetch(t, port, '/')).header('server'), 'mine/1');
  for (const value of ['', 'a\r\nb', 'a\0b', 1, {}]) {
    refusesByName('serverHeader', value);
  }
});

own('two apps have options of their own', async (t) => {
  const route = (app) => app.get('/', (res) => res.end());
  const first = serve(t, route, { serverHeader: 'first' });
  const second = serve(t, route, { serverHeader: 'second', headerCountMax: 2 });
  const third = serve(t, route);
  const fields = { a: 1, b: 2, c: 3 };
  assert.equal((await fetch(t, first.port, '/', { fields })).header('server'), 'first');
  assert.equal((await fetch(t, second.port, '/')).header('server'), 'second');
  assert.equal((await fetch(t, second.port, '/', { fields })).status, 431);
  assert.equal((await fetch(t, third.port, '/', { fields })).header('server'), undefined);
});

/** The status of a request of raw bytes, and whether the connection ended after it. */
async function statusOf(t, port, bytes) {
  const client = await connect(t, port);
  client.write(bytes);
  return (await client.response()).status;
}

own('headBytesMax holds on both sides', async (t) => {
  const { port } = serve(t, (app) => app.get('/', (res) => res.end()), {
    headBytesMax: 1000, targetBytesMax: 100,
  });
  const head = (length) => {
    const start = 'GET / HTTP/1.1\r\nHost: h\r\nx: ';
    return `${start}${'a'.repeat(length - start.length - 4)}\r\n\r\n`;
  };
  assert.equal(await statusOf(t, port, head(1000)), 200);
  assert.equal(await statusOf(t, port, head(1001)), 431);
});

own('headerCountMax holds on both sides', async (t) => {
  const { port } = serve(t, (app) => app.get('/', (res) => res.end()), { headerCountMax: 3 });
  const head = (lines) => `GET / HTTP/1.1\r\nHost: h\r\n${'x: y\r\n'.repeat(lines)}\r\n`;
  assert.equal(await statusOf(t, port, head(2)), 200);
  assert.equal(await statusOf(t, port, head(3)), 431);
});

own('targetBytesMax holds on both sides', async (t) => {
  const { port } = serve(t, (app) => app.get('/*', (res) => res.end()), { targetBytesMax: 10 });
  assert.equal((await fetch(t, port, '/123456789')).status, 200);
  assert.equal((await fetch(t, port, '/1234567890')).status, 414);
});

own('bodyBytesMax holds on both sides', async (t) => {
  const { port } = serve(t, (app) => {
    app.post('/', (res) => res.collectBody(1000, (body) => res.end(String(body?.byteLength))));
  }, { bodyBytesMax: 100 });
  const send = (body) => fetch(t, port, '/', { method: 'POST', body });
  assert.equal((await send('x'.repeat(100))).text, '100');
  assert.equal((await send('x'.repeat(101))).status, 413);
});

own('connectionsMax holds on both sides', async (t) => {
  const { port } = serve(t, (app) => app.get('/', (res) => res.end('well')), { connectionsMax: 2 });
  const clients = [await connect(t, port), await connect(t, port)];
  for (const client of clients) {
    client.write(request('GET', '/'));
    assert.equal((await client.response()).text, 'well');
  }
  const third = await connect(t, port);
  assert.equal((await third.ended()).length, 0);
});

own('headTimeoutMs answers 408', async (t) => {
  const { port } = serve(t, () => {}, { headTimeoutMs: 50 });
  const client = await connect(t, port);
  client.write('GET / HT');
  assert.equal((await client.response()).status, 408);
  await client.ended();
});

own('keepAliveTimeoutMs closes who is idle', async (t) => {
  const { port } = serve(t, (app) => app.get('/', (res) => res.end()), { keepAliveTimeoutMs: 50 });
  const client = await connect(t, port);
  client.write(request('GET', '/'));
  await client.response();
  assert.equal((await client.ended()).length, 0);
});

own('answerTimeoutMs answers 503 and aborts', async (t) => {
  const aborted = deferred();
  const { port } = serve(t, (app) => {
    app.onLog(() => {});
    app.get('/', (res) => res.onAborted(aborted.resolve));
  }, { answerTimeoutMs: 50 });
  const client = await connect(t, port);
  client.write(request('GET', '/'));
  assert.equal((await client.response()).status, 503);
  await aborted.promise;
});

own('lengthRequired answers 411', async (t) => {
  const { port } = serve(t, (app) => app.post('/', (res) => res.end()), { lengthRequired: true });
  assert.equal((await fetch(t, port, '/', { method: 'POST' })).status, 411);
  assert.equal((await fetch(t, port, '/', { method: 'POST', body: '' })).status, 200);
});

for (const halfClose of [false, true]) {
  own(`a FIN ${halfClose ? 'leaves an answer alone with' : 'aborts without'} halfClose`,
    async (t) => {
      const arrived = deferred();
      let aborted = false;
      const { port } = serve(t, (app) => {
        app.get('/', (res) => {
          res.onAborted(() => {
            aborted = true;
          });
          arrived.resolve(res);
        });
      }, { halfClose });
      const client = await connect(t, { port, allowHalfOpen: true });
      client.write(request('GET', '/'));
      const res = await arrived.promise;
      client.end();
      if (halfClose) {
        setTimeout(() => res.end('still'), 20);
        assert.equal((await client.response()).text, 'still');
        assert.equal(aborted, false);
      } else {
        await until(() => aborted);
      }
    });
}

own('writeBufferBytesMax drops who does not read', async (t) => {
  const aborted = deferred();
  const { port } = serve(t, (app) => {
    app.onLog(() => {});
    app.get('/', (res) => {
      res.onAborted(aborted.resolve);
      const piece = Buffer.alloc(65536);
      const more = () => {
        if (!res.aborted) {
          res.write(piece);
          setImmediate(more);
        }
      };
      more();
    });
  }, { writeBufferBytesMax: 65536 });
  const client = await connect(t, port);
  client.socket.pause();
  client.write(request('GET', '/'));
  await aborted.promise;
});

own('writeStallTimeoutMs drops who reads nothing', async (t) => {
  const aborted = deferred();
  const body = Buffer.alloc(16 * 1024 * 1024);
  const { port } = serve(t, (app) => {
    app.onLog(() => {});
    app.get('/', (res) => {
      res.onAborted(aborted.resolve);
      res.onWritable((offset) => res.tryEnd(body.subarray(offset), body.length)[0]);
      res.tryEnd(body, body.length);
    });
  }, { writeStallTimeoutMs: 50 });
  const client = await connect(t, port);
  client.socket.pause();
  client.write(request('GET', '/'));
  await aborted.promise;
});

own('bodyThroughputMin and bodyWindowMs end what comes too slowly', async (t) => {
  const aborted = deferred();
  const { port } = serve(t, (app) => {
    app.onLog(() => {});
    app.post('/', (res) => {
      res.onAborted(aborted.resolve);
      res.onData(() => {});
    });
  }, { bodyThroughputMin: 1_000_000, bodyWindowMs: 50 });
  const client = await connect(t, port);
  client.write(request('POST', '/', { 'Content-Length': 1000 }));
  client.write('a few');
  await aborted.promise;
  const bytes = (await client.ended()).toString('latin1');
  assert.match(bytes, /^(HTTP\/1\.1 408 |$)/);
});
