'use strict';

const assert = require('node:assert/strict');
const { Worker } = require('node:worker_threads');
const { uws, entry, isKeirin, both, own } = require('./support/implementation');
const { serve } = require('./support/server');
const { fetch, connect, request } = require('./support/raw');
const { open } = require('./support/websocket');

const CHILD = `
  const { parentPort, threadId } = require('node:worker_threads');
  const uws = require(${JSON.stringify(entry)});
  const app = uws.App();
  app.get('/', (res) => res.end('thread ' + threadId));
  app.ws('/ws', {
    open: (ws) => ws.send('thread ' + threadId),
    message: (ws, message, isBinary) => ws.send(message, isBinary),
  });
  parentPort.on('message', (message) => {
    if (message === 'listen') {
      app.listen(0, (token) => parentPort.postMessage(uws.us_socket_local_port(token)));
    } else if (message === 'close') {
      app.close();
      parentPort.close();
    }
  });
  parentPort.postMessage(app.getDescriptor());
`;

/** Starts a thread with an app; resolves with it and its descriptor. */
function child(t) {
  return new Promise((resolve, reject) => {
    const worker = new Worker(CHILD, { eval: true });
    // The peer does not survive the end of a thread that has connections.
    t.after(() => isKeirin ? worker.terminate() : worker.postMessage('close'));
    worker.once('error', reject);
    worker.once('message', (descriptor) => resolve({ worker, descriptor }));
  });
}

function message(worker) {
  return new Promise((resolve) => worker.once('message', resolve));
}

both('a thread has an app of its own', async (t) => {
  const { worker } = await child(t);
  const answered = message(worker);
  worker.postMessage('listen');
  const port = await answered;
  assert.equal((await fetch(t, port, '/')).text, `thread ${worker.threadId}`);
});

both('children share the connections of a parent evenly', async (t) => {
  const children = [await child(t), await child(t)];
  const { port } = serve(t, (app) => {
    app.get('/', (res) => res.end('parent'));
    for (const { descriptor } of children) {
      app.addChildAppDescriptor(descriptor);
    }
  });
  const counts = {};
  for (let count = 0; count < 20; count++) {
    const { text } = await fetch(t, port, '/');
    counts[text] = (counts[text] ?? 0) + 1;
  }
  const expected = {};
  for (const { worker } of children) {
    expected[`thread ${worker.threadId}`] = 10;
  }
  assert.deepEqual(counts, expected);
});

both('a connection stays with its child', async (t) => {
  const children = [await child(t), await child(t)];
  const { port } = serve(t, (app) => {
    children.forEach(({ descriptor }) => app.addChildAppDescriptor(descriptor));
  });
  const clients = [await connect(t, port), await connect(t, port)];
  const first = [];
  for (const client of clients) {
    client.write(request('GET', '/'));
    first.push((await client.response()).text);
  }
  assert.notEqual(first[0], first[1]);
  for (let count = 0; count < 5; count++) {
    for (const [at, client] of clients.entries()) {
      client.write(request('GET', '/'));
      assert.equal((await client.response()).text, first[at]);
    }
  }
});

both('WebSockets go to children too', async (t) => {
  const { worker, descriptor } = await child(t);
  const { port } = serve(t, (app) => app.addChildAppDescriptor(descriptor));
  const client = await open(t, port, '/ws');
  assert.equal(await client.text(), `thread ${worker.threadId}`);
  client.send('echo');
  assert.equal(await client.text(), 'echo');
});

both('a child that was removed gets no more, and without children the parent serves', async (t) => {
  const { worker, descriptor } = await child(t);
  const { app, port } = serve(t, (app) => {
    app.get('/', (res) => res.end('parent'));
    app.addChildAppDescriptor(descriptor);
  });
  assert.equal((await fetch(t, port, '/')).text, `thread ${worker.threadId}`);
  app.removeChildAppDescriptor(descriptor);
  assert.equal((await fetch(t, port, '/')).text, 'parent');
});

both('an app of the same thread may be a child', async (t) => {
  const inner = uws.App().get('/', (res) => res.end('inner'));
  t.after(() => inner.close());
  const { port } = serve(t, (app) => {
    app.get('/', (res) => res.end('outer'));
    app.addChildAppDescriptor(inner.getDescriptor());
  });
  assert.equal((await fetch(t, port, '/')).text, 'inner');
});

own('a descriptor survives a message, and a false one is refused', async (t) => {
  const { descriptor } = await child(t);
  assert.deepEqual(structuredClone(descriptor), descriptor);
  serve(t, (app) => {
    for (const value of [undefined, null, 'text', {}, -1, NaN]) {
      assert.throws(() => app.addChildAppDescriptor(value), Error);
      assert.throws(() => app.removeChildAppDescriptor(value), Error);
    }
  });
});

own('a child whose thread has ended gets no more', async (t) => {
  const { worker, descriptor } = await child(t);
  const { port } = serve(t, (app) => {
    app.get('/', (res) => res.end('parent'));
    app.addChildAppDescriptor(descriptor);
  });
  assert.equal((await fetch(t, port, '/')).text, `thread ${worker.threadId}`);
  await worker.terminate();
  const { text } = await fetch(t, port, '/');
  assert.equal(text, 'parent');
});

own('adoptSocket refuses what is no descriptor', (t) => {
  serve(t, (app) => {
    for (const value of [undefined, null, 'text', -1, 1e9]) {
      assert.throws(() => app.adoptSocket(value, ''));
    }
  });
});
