'use strict';

// Whatever method is called with whatever values, on whatever is alive or dead: the process lives,
// serves others, and nobody has to catch what a callback leaves behind.

const assert = require('node:assert/strict');
const { uws, own } = require('../api/support/implementation');
const { serveLogged } = require('../api/support/server');
const { connect, request, fetch } = require('../api/support/raw');
const { HANDSHAKE, frame } = require('../api/support/websocket');
const { sleep, turn } = require('../api/support/wait');
const { Random } = require('./random');

const SEED = Number(process.env.KEIRIN_TEST_SEED || 1);
const CONNECTIONS = Number(process.env.KEIRIN_TEST_CONNECTIONS || 400);

const fail = () => {
  throw new Error('hostile');
};

const VALUES = [
  () => undefined, () => null, () => 0, () => -1, () => NaN, () => Infinity, () => 2 ** 53, () => 1n,
  () => '', () => 'text', () => '\ud800', () => 'a\r\nb: c', () => Symbol('s'), () => true,
  () => ({}), () => [], () => Object.create(null), () => new Date(NaN), () => /x/,
  () => () => {}, () => fail, () => async () => fail(), () => new Uint8Array(3),
  () => new ArrayBuffer(2), () => new SharedArrayBuffer(2), () => new BigInt64Array(1),
  () => new DataView(new ArrayBuffer(4)), () => new Proxy({}, { get: fail, ownKeys: fail }),
  () => ({ valueOf: fail, toString: fail }), () => ({ then: (_, reject) => reject(fail) }),
];

/** What calls back before it returns: what its callback leaves behind is the caller's. */
const DIRECT = ['forEach', 'listen', 'listen_unix'];

/** The methods of an object and of everything it inherits from. */
function methods(object) {
  const names = new Set();
  for (let at = object; at && at !== Object.prototype; at = Object.getPrototypeOf(at)) {
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(at))) {
      if (typeof value === 'function' && name !== 'constructor') names.add(name);
    }
  }
  return [...names];
}

/** Calls methods at random, and expects nothing of them. */
function poke(random, object, count, except = []) {
  const names = methods(object).filter((name) => ![...DIRECT, ...except].includes(name));
  for (let left = count; left > 0; left--) {
    const values = Array.from({ length: random.below(6) }, () => random.pick(VALUES)());
    try {
      object[random.pick(names)](...values);
    } catch {
      // That is for the caller to see.
    }
  }
}

own('methods take any arguments at any time', async (t) => {
  const random = new Random(SEED);
  const rejections = [];
  const leave = (error) => rejections.push(error);
  process.on('unhandledRejection', leave);
  t.after(() => process.off('unhandledRejection', leave));
  const contexts = [];
  const handlers = Object.fromEntries(
    ['open', 'message', 'close', 'drain', 'ping', 'subscription', 'dropped'].map((name) => [
      name,
      (ws) => poke(random, ws, 6),
    ]),
  );
  const { app, port } = serveLogged(t, (app) => {
    app.filter((res) => poke(random, res, 3, ['close']));
    app.any('/at-once', (res, req) => {
      poke(random, req, 10);
      poke(random, res, 10);
    });
    app.any('/later', async (res, req) => {
      await turn();
      poke(random, req, 10);
      poke(random, res, 10);
    });
    app.ws('/socket', {
      ...handlers,
      upgrade: (res, req, context) => {
        contexts.push(context);
        poke(random, req, 3);
        if (random.oneIn(2)) poke(random, res, 3);
        const key = req.getHeader('sec-websocket-key');
        res.upgrade({}, key, '', '', random.pick(contexts.slice(-2)));
      },
    });
    app.get('/well', (res) => res.end('well'));
    app.onError((error, source, req) => {
      if (random.oneIn(2)) poke(random, source, 5);
      if (req !== undefined) poke(random, req, 3);
      return random.oneIn(2) ? undefined : turn();
    });
  });
  for (let count = 0; count < CONNECTIONS; count++) {
    const client = await connect(t, port);
    const path = random.pick(['/at-once', '/later', '/socket']);
    if (path === '/socket') {
      client.write(Buffer.concat([request('GET', path, HANDSHAKE), frame(1, 'x'), frame(9, 'y')]));
    } else {
      const method = random.pick(['GET', 'POST', 'HEAD']);
      client.write(request(method, path, {}, random.oneIn(2) ? undefined : 'body'));
    }
    await sleep(random.below(4));
    if (random.oneIn(2)) client.reset();
    else client.destroy();
  }
  for (let count = 0; count < 30; count++) {
    const other = uws.App();
    poke(random, other, 20);
    other.close();
  }
  assert.equal((await fetch(t, port, '/well')).text, 'well');
  await turn();
  assert.equal(app.counters().panics, 0);
  assert.deepEqual(rejections, []);
});
