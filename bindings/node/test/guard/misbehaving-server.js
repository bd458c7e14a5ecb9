'use strict';

// A server whose handlers do at random what no handler should. Started by interleavings.test.js
// as a process of its own; every body that it sends consists of [N], N being the request's number.

const { setFlagsFromString } = require('node:v8');
const { runInNewContext } = require('node:vm');
const { uws } = require('../api/support/implementation');
const { Random } = require('./random');

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc');

const strict = process.argv[2] === 'strict';
const kept = [];

const app = uws.App({
  strict,
  headTimeoutMs: 100,
  keepAliveTimeoutMs: 300,
  answerTimeoutMs: 150,
  writeStallTimeoutMs: 200,
  bodyWindowMs: 200,
  lingerTimeoutMs: 100,
});

app.onLog(() => {});
app.onError((error, target) => {
  if (typeof target.writeStatus === 'function' && error.message === 'answer in onError') {
    target.writeStatus('503 Failed').end(error.label);
  }
});

function failure(random, label) {
  const error = new Error(random.oneIn(2) ? 'answer in onError' : 'a failure');
  error.label = label;
  return error;
}

function pause(random) {
  return random.pick([
    () => null,
    () => new Promise((resolve) => setImmediate(resolve)),
    () => new Promise((resolve) => setTimeout(resolve, random.below(20))),
    () => new Promise((resolve) => process.nextTick(resolve)),
  ])();
}

/** What a handler may do with its response. */
function steps(random, label) {
  const large = label.repeat(1 + random.below(20_000));
  return [
    (res) => res.writeStatus('201 Created'),
    (res) => res.writeHeader('x-a', label),
    (res) => res.write(label),
    (res) => res.write(large),
    (res) => res.write(''),
    (res) => res.end(label),
    (res) => res.end(label, true),
    (res) => res.end(large),
    (res) => res.endWithoutBody(0),
    (res) => res.tryEnd(label, label.length),
    (res) => res.tryEnd(label, 2 * label.length),
    (res) => res.tryEnd(large, large.length),
    (res) => res.close(),
    (res) => res.onAborted(() => res.end(label)),
    (res) => res.onAborted(() => {
      throw failure(random, label);
    }),
    (res) => res.onData(() => random.oneIn(3) && res.end(label)),
    (res) => res.onDataV2(() => {
      throw failure(random, label);
    }),
    (res) => res.collectBody(100, () => res.end(label)),
    (res) => res.onWritable((offset) => {
      res.tryEnd(large.slice(offset), large.length);
      return random.oneIn(2);
    }),
    (res) => res.pause(),
    (res) => res.resume(),
    (res) => res.cork(() => res.end(label)),
    (res) => res.cork(() => res.cork(() => res.write(label))),
    (res) => res.upgrade({}, 'dGhlIHNhbXBsZSBub25jZQ==', '', '', {}),
    (res) => res.upgrade({}),
    (res) => res.getRemoteAddressAsText(),
    (res) => {
      kept.push(res);
      if (kept.length > 50) {
        kept.shift();
      }
    },
    () => kept.length > 0 && random.pick(kept).getWriteOffset(),
    () => {
      throw failure(random, label);
    },
  ];
}

async function misbehave(random, res, label) {
  const count = 1 + random.below(6);
  for (let step = 0; step < count; step++) {
    if (random.oneIn(3)) {
      await pause(random);
    }
    random.pick(steps(random, label))(res);
  }
}

function handler(res, req) {
  const seed = Number(req.getParameter(0));
  const random = new Random(seed);
  const label = `[${req.getHeader('x-number')}]`;
  if (random.oneIn(8)) {
    req.setYield(true);
    return undefined;
  }
  if (random.oneIn(3)) {
    random.pick(steps(random, label))(res);
    return undefined;
  }
  return misbehave(random, res, label);
}

/** What a handler of a WebSocket may do with it. */
const SOCKET_STEPS = [
  (ws) => ws.send('text'),
  (ws) => ws.send('x'.repeat(70_000), true, true),
  (ws) => ws.sendFirstFragment('one'),
  (ws) => ws.sendFragment('two'),
  (ws) => ws.sendLastFragment('three'),
  (ws) => ws.ping('ping'),
  (ws) => ws.end(4000, 'reason'),
  (ws) => ws.end(),
  (ws) => ws.close(),
  (ws) => ws.subscribe('topic'),
  (ws) => ws.unsubscribe('topic'),
  (ws) => ws.publish('topic', 'published'),
  () => app.publish('topic', 'to all'),
  (ws) => ws.cork(() => ws.send('corked')),
  (ws) => ws.getTopics(),
  (ws) => ws.getBufferedAmount(),
  (ws) => setTimeout(() => attempt(() => ws.send('late')), 5),
  () => {
    throw new Error('a failure');
  },
  () => Promise.reject(new Error('a rejection')),
];

// Strictly late calls throw, which outside of a handler is the program's own affair.
function attempt(call) {
  try {
    return call();
  } catch (error) {
    if (!strict) {
      throw error;
    }
    return undefined;
  }
}

function socketHandler(ws) {
  const { random } = ws;
  for (let count = random.below(3); count >= 0; count--) {
    const result = random.pick(SOCKET_STEPS)(ws);
    if (result instanceof Promise) {
      return result;
    }
  }
  return undefined;
}

app.any('/:seed', handler);
app.any('/:seed/:again', handler);
app.ws('/ws/:seed', {
  compression: uws.SHARED_COMPRESSOR | uws.SHARED_DECOMPRESSOR,
  maxBackpressure: 100_000,
  idleTimeout: 0.3,
  upgrade: (res, req, context) => {
    const random = new Random(Number(req.getParameter(0)));
    const headers = ['key', 'protocol', 'extensions'].map((name) => {
      return req.getHeader(`sec-websocket-${name}`);
    });
    const upgrade = () => res.upgrade({ random }, ...headers, context);
    if (random.oneIn(6)) {
      throw new Error('a failure');
    }
    if (random.oneIn(3)) {
      return pause(random).then?.(upgrade);
    }
    upgrade();
    if (random.oneIn(4)) {
      upgrade();
    }
    return undefined;
  },
  open: socketHandler,
  message: socketHandler,
  ping: socketHandler,
  pong: socketHandler,
  drain: socketHandler,
  dropped: socketHandler,
  subscription: (ws) => ws.random.oneIn(3) && ws.getTopics(),
  close: (ws) => attempt(() => socketHandler(ws)),
});

app.listen(0, (token) => process.send({ port: uws.us_socket_local_port(token) }));

process.on('message', (message) => {
  if (message === 'measure') {
    kept.length = 0;
    collectGarbage();
    collectGarbage();
    const { heapUsed, external, rss } = process.memoryUsage();
    process.send({
      counters: app.counters(), heapUsed, external, rss,
      resources: process.getActiveResourcesInfo().sort(),
    });
  } else {
    app.close();
    process.disconnect();
  }
});
