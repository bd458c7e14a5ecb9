'use strict';

// app.get with a third argument: answers that are kept for a while.

const assert = require('node:assert/strict');
const v8 = require('node:v8');
const vm = require('node:vm');
const { own } = require('./support/implementation');
const { serve } = require('./support/server');
const { connect, request, fetch } = require('./support/raw');
const { until } = require('./support/wait');

const LONG = { lowerExpiry: 1000, upperExpiry: 2000 };

own('the same URL is answered by one call', async (t) => {
  let calls = 0;
  const { port } = serve(t, (app) => {
    assert.equal(app.get('/*', (res, req) => {
      calls += 1;
      res.end(`${req.getUrl()} ${calls}`);
    }, LONG), app);
  });
  const client = await connect(t, port);
  for (const [target, expected] of [['/a', '/a 1'], ['/a', '/a 1'], ['/a?q', '/a 2'],
    ['/b', '/b 3'], ['/a', '/a 1']]) {
    client.write(request('GET', target));
    const response = await client.response();
    assert.equal(response.status, 200);
    assert.equal(response.text, expected);
  }
  assert.equal(calls, 3);
});

own('requests that come while it is made wait for the one answer', async (t) => {
  const pending = [];
  const { port } = serve(t, (app) => {
    app.get('/', (res) => {
      res.onAborted(() => {});
      pending.push(res);
    }, LONG);
  });
  const clients = [];
  for (let count = 0; count < 5; count++) {
    const client = await connect(t, port);
    client.write(request('GET', '/'));
    clients.push(client);
  }
  await until(() => pending.length > 0);
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(pending.length, 1);
  pending[0].end('for all');
  for (const client of clients) {
    assert.equal((await client.response()).text, 'for all');
  }
});

own('who leaves while it is made does not matter', async (t) => {
  const pending = [];
  const { port } = serve(t, (app) => {
    app.get('/', (res) => {
      res.onAborted(() => {});
      pending.push(res);
    }, LONG);
  });
  const leaving = await connect(t, port);
  leaving.write(request('GET', '/'));
  await until(() => pending.length === 1);
  const staying = await connect(t, port);
  staying.write(request('GET', '/'));
  leaving.reset();
  await new Promise((resolve) => setTimeout(resolve, 20));
  pending[0].end('made');
  assert.equal((await staying.response()).text, 'made');
});

own('who leaves a handler that never settles is forgotten', async (t) => {
  v8.setFlagsFromString('--expose-gc');
  const collect = vm.runInNewContext('gc');
  const seen = [];
  let made = 0;
  const { port } = serve(t, (app) => {
    app.get('/plain', (res) => {
      const { prototype } = res.constructor;
      const { onAborted } = prototype;
      prototype.onAborted = function (handler) {
        seen.push(new WeakRef(this));
        return onAborted.call(this, handler);
      };
      t.after(() => {
        prototype.onAborted = onAborted;
      });
      res.end();
    });
    app.get('/', (res) => {
      made += 1;
      res.onAborted(() => {});
    }, LONG);
  });
  await fetch(t, port, '/plain');
  for (let count = 0; count < 5; count++) {
    const client = await connect(t, port);
    client.write(request('GET', '/'));
    await until(() => seen.length === count + 1);
    client.reset();
  }
  await until(() => {
    collect();
    return seen.every((weak) => weak.deref() === undefined);
  });
  assert.equal(made, 1);
});

own('an answer that has expired is made again', async (t) => {
  let calls = 0;
  const { port } = serve(t, (app) => {
    app.get('/', (res) => {
      calls += 1;
      res.end(String(calls));
    }, { lowerExpiry: 0, upperExpiry: 0 });
  });
  await fetch(t, port, '/');
  await until(async () => Number((await fetch(t, port, '/')).text) > 1);
});

own('the handler of a cached route has to be a function', (t) => {
  serve(t, (app) => {
    for (const value of [undefined, 1, {}]) {
      assert.throws(() => app.get('/', value, LONG), {
        message: 'Passed callback is not a valid function.',
      });
    }
  });
});
