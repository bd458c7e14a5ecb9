'use strict';

// `end` with a body that does not fit into what may wait for a slow reader.

const assert = require('node:assert/strict');
const { uws, both, own } = require('./support/implementation');
const { serve, serveLogged } = require('./support/server');
const { connect, request } = require('./support/raw');
const { deferred, until, sleep } = require('./support/wait');

const LARGE_BYTES = 150 * 1024 * 1024;

/** Bytes of which each four are different from the others. */
function pattern(length) {
  const words = new Uint32Array(length / 4);
  for (let at = 0; at < words.length; at++) {
    words[at] = Math.imul(at, 2654435761);
  }
  return Buffer.from(words.buffer);
}

const LARGE = pattern(LARGE_BYTES);

/** Reads nothing until the server has answered. */
async function slow(t, port, bytes, answered) {
  const client = await connect(t, port);
  client.socket.pause();
  client.write(bytes);
  await answered();
  await sleep(20);
  client.socket.resume();
  return client;
}

both('end brings a large body to a reader that is fast', async (t) => {
  const { port } = serve(t, (app) => app.get('/', (res) => res.end(LARGE)));
  const client = await connect(t, port);
  for (let count = 0; count < 2; count++) {
    client.write(request('GET', '/'));
    const response = await client.response();
    assert.equal(response.header('content-length'), String(LARGE_BYTES));
    assert.ok(response.body.equals(LARGE));
  }
});

both('end brings a large body to a reader that is slow, as it was when it was called', async (t) => {
  const body = Buffer.from(LARGE);
  let answers = 0;
  const { port } = serve(t, (app) => {
    app.get('/', (res) => {
      res.onAborted(() => assert.fail('aborted'));
      body.set(LARGE);
      res.writeHeader('x-large', 'yes').end(body);
      body.fill(0);
      answers += 1;
    });
    app.get('/small', (res) => res.end('small'));
  });
  const client = await slow(t, port, request('GET', '/'), () => until(() => answers));
  const response = await client.response();
  assert.equal(response.header('content-length'), String(LARGE_BYTES));
  assert.equal(response.header('x-large'), 'yes');
  assert.ok(response.body.equals(LARGE));
  client.write(request('GET', '/small'));
  assert.equal((await client.response()).text, 'small');
  assert.equal(answers, 1);
});

both('end brings a long text whole', async (t) => {
  const text = '\u20ac'.repeat(30 * 1024 * 1024);
  let answers = 0;
  const { port } = serve(t, (app) => {
    app.get('/', (res) => {
      res.end(text);
      answers += 1;
    });
  });
  const client = await slow(t, port, request('GET', '/'), () => until(() => answers));
  const { body } = await client.response();
  assert.ok(body.equals(Buffer.from(text)));
});

both('end brings a large body behind what was written', async (t) => {
  let answers = 0;
  const { port } = serve(t, (app) => {
    app.get('/', (res) => {
      res.write('first ');
      res.end(LARGE);
      answers += 1;
    });
  });
  const client = await slow(t, port, request('GET', '/'), () => until(() => answers));
  const { body } = await client.response();
  assert.equal(body.toString('latin1', 0, 6), 'first ');
  assert.ok(body.subarray(6).equals(LARGE));
});

both('end with a large body closes the connection behind it where that is asked', async (t) => {
  let answers = 0;
  const { port } = serve(t, (app) => {
    app.get('/', (res) => {
      res.end(LARGE, true);
      answers += 1;
    });
  });
  const client = await slow(t, port, request('GET', '/'), () => until(() => answers));
  assert.ok((await client.response()).body.equals(LARGE));
  assert.equal((await client.ended()).length, 0);
});

own('end with a large body answers HEAD with its length', async (t) => {
  const { port } = serve(t, (app) => {
    app.any('/', (res) => res.end(LARGE));
    app.get('/small', (res) => res.end('small'));
  });
  const client = await connect(t, port);
  client.write(request('HEAD', '/'));
  const response = await client.response({ bodiless: true });
  assert.equal(response.header('content-length'), String(LARGE_BYTES));
  client.write(request('GET', '/small'));
  assert.equal((await client.response()).text, 'small');
});

own('large bodies wait one at a time', async (t) => {
  let answers = 0;
  const { port } = serve(t, (app) => {
    app.get('/', (res) => {
      answers += 1;
      res.end(LARGE);
    });
  });
  const requests = Buffer.concat([request('GET', '/'), request('GET', '/'), request('GET', '/')]);
  const client = await slow(t, port, requests, async () => {
    await until(() => answers);
    await sleep(100);
    assert.equal(answers, 1);
  });
  for (let count = 0; count < 3; count++) {
    assert.ok((await client.response()).body.equals(LARGE));
  }
});

own('a client that leaves in the middle of a large body leaves nothing behind', async (t) => {
  const { app, port, warnings } = serveLogged(t, (app) => {
    app.get('/', (res) => res.end(LARGE));
    app.get('/small', (res) => res.end('small'));
  });
  const resident = () => process.memoryUsage().rss;
  const before = resident();
  const clients = [];
  for (let count = 0; count < 4; count++) {
    const client = await connect(t, port);
    client.socket.pause();
    client.write(request('GET', '/'));
    clients.push(client);
  }
  await until(() => app.counters().answers === 4);
  assert.ok(resident() - before > 2 * LARGE_BYTES, 'they wait in memory');
  for (const [index, client] of clients.entries()) {
    if (index % 2 === 0) client.reset();
    else client.destroy();
  }
  await until(() => app.counters().connectionsOpen === 0);
  await until(() => resident() - before < LARGE_BYTES);
  const client = await connect(t, port);
  client.write(request('GET', '/small'));
  assert.equal((await client.response()).text, 'small');
  assert.deepEqual(warnings(), []);
});

own('a stop waits for a large body', async (t) => {
  const arrived = deferred();
  const { app, port } = serve(t, (app) => {
    app.get('/', (res) => {
      res.end(LARGE);
      arrived.resolve();
    });
  });
  const client = await slow(t, port, request('GET', '/'), () => arrived.promise);
  const stopped = app.stop({ grace: 60_000 });
  assert.ok((await client.response()).body.equals(LARGE));
  client.end();
  await stopped;
});

own('what a DeclarativeResponse ends with is delivered whole', async (t) => {
  const REQUESTS = 100;
  const text = 'x'.repeat(65_535);
  const { app, port } = serve(t, (app) => {
    app.get('/', new uws.DeclarativeResponse().writeHeader('a', 'b').end(text));
  }, { writeBufferBytesMax: 16 * 1024, pipelinedBytesMax: 512 * 1024 });
  const requests = Buffer.concat(Array(REQUESTS).fill(request('GET', '/')));
  const client = await slow(t, port, requests, () => until(() => app.counters().answers > 2));
  for (let count = 0; count < REQUESTS; count++) {
    assert.equal((await client.response()).text, text);
  }
});
