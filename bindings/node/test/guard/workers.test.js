'use strict';

// Threads that are terminated while they serve.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const { Worker } = require('node:worker_threads');
const { entry, own } = require('../api/support/implementation');
const { connect, request } = require('../api/support/raw');
const { HANDSHAKE, frame } = require('../api/support/websocket');
const { sleep, until } = require('../api/support/wait');
const { Random } = require('./random');

const WORKERS = Number(process.env.KEIRIN_TEST_WORKERS || 500);
const AT_ONCE = 4;

const SOURCE = `
  const { parentPort } = require('node:worker_threads');
  const uws = require(${JSON.stringify(entry)});
  const app = uws.App();
  app.get('/', (res) => res.end('hello'));
  app.get('/later', async (res) => {
    res.onAborted(() => {});
    await new Promise((resolve) => setTimeout(resolve, 2));
    res.end('later');
  });
  app.post('/', (res) => res.collectBody(1e6, (body) => res.end(body)));
  const large = Buffer.alloc(4e6);
  app.get('/large', (res) => {
    res.onAborted(() => {});
    res.onWritable((offset) => res.tryEnd(large.subarray(offset), large.length)[0]);
    res.tryEnd(large, large.length);
  });
  app.ws('/ws', {
    open: (ws) => ws.subscribe('topic'),
    message: (ws, message) => {
      ws.send(message);
      app.publish('topic', 'x'.repeat(1000));
    },
    close: () => {},
  });
  app.listen(0, (token) => parentPort.postMessage(uws.us_socket_local_port(token)));
`;

// The connections end with their threads; nothing has to be done, nor kept, until the test's end.
const nothing = { after: () => {} };

/** Sends until the connection ends; what comes has to begin as an answer does. */
async function load(port, random) {
  let client;
  let start = '';
  try {
    client = await connect(nothing, port);
  } catch (error) {
    assert.ok(['ECONNREFUSED', 'ECONNRESET'].includes(error.code), String(error));
    return;
  }
  const isSocket = random.oneIn(4);
  if (isSocket) {
    client.write(request('GET', '/ws', HANDSHAKE));
  }
  while (!client.isEnded) {
    if (isSocket) {
      client.write(frame(1, 'hello'));
    } else {
      client.write(random.pick([
        request('GET', '/'), request('GET', '/later'), request('GET', '/large'),
        request('POST', '/', {}, Buffer.alloc(10_000)),
      ]));
    }
    await sleep(1);
    start ||= client.received.subarray(0, 9).toString('latin1');
    client.received = Buffer.alloc(0);
  }
  assert.ok('HTTP/1.1 '.startsWith(start), start);
  client.destroy();
}

/** Starts a thread and terminates it at some moment. */
async function liveAndDie(random) {
  const worker = new Worker(SOURCE, { eval: true });
  const failed = new Promise((resolve, reject) => worker.once('error', reject));
  const exited = new Promise((resolve) => worker.once('exit', resolve));
  const loads = [];
  const live = async () => {
    if (random.oneIn(5)) {
      await sleep(random.below(40));
      return;
    }
    const port = await new Promise((resolve) => {
      worker.once('message', resolve);
      exited.then(() => resolve(null));
    });
    assert.notEqual(port, null, 'the thread ended by itself');
    for (let count = random.below(4); count >= 0; count--) {
      loads.push(load(port, random));
    }
    await sleep(random.below(30));
  };
  await Promise.race([live(), failed]);
  await worker.terminate();
  await exited;
  await Promise.all(loads);
}

const descriptors = () => fs.readdirSync('/proc/self/fd').length;

own(`${WORKERS} threads are started, and terminated under load`, async () => {
  const before = { descriptors: descriptors(), resources: process.getActiveResourcesInfo().sort() };
  let next = 0;
  let early;
  const work = async () => {
    while (next < WORKERS) {
      const random = new Random(next);
      next += 1;
      await liveAndDie(random);
      if (next > WORKERS / 5 && early === undefined) {
        early = process.memoryUsage.rss();
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  await until(() => descriptors() <= before.descriptors + 2);
  await until(() => process.getActiveResourcesInfo()
    .filter((name) => name !== 'Timeout').length <= before.resources.length);
  const grown = process.memoryUsage.rss() - early;
  assert.ok(grown < 150 * 1024 * 1024, `memory grew by ${grown}`);
}, { timeout: 280_000 });

own('the thread of a parent of children is terminated', async () => {
  const source = `
    const { parentPort, Worker, isMainThread } = require('node:worker_threads');
    const uws = require(${JSON.stringify(entry)});
    const parent = uws.App();
    const child = new Worker(\`
      const { parentPort } = require('node:worker_threads');
      const uws = require(${JSON.stringify(entry)});
      const app = uws.App().get('/', (res) => res.end('child'));
      parentPort.postMessage(app.getDescriptor());
      setInterval(() => {}, 1000);
    \`, { eval: true });
    child.once('message', (descriptor) => {
      parent.addChildAppDescriptor(descriptor);
      parent.listen(0, (token) => parentPort.postMessage(uws.us_socket_local_port(token)));
    });
  `;
  for (let count = 0; count < 20; count++) {
    const worker = new Worker(source, { eval: true });
    await new Promise((resolve, reject) => {
      worker.once('error', reject);
      worker.once('message', resolve);
    });
    await worker.terminate();
  }
});
