'use strict';

const assert = require('node:assert/strict');
const { both, own } = require('./support/implementation');
const { serve } = require('./support/server');
const { connect, request } = require('./support/raw');
const { open } = require('./support/websocket');
const { deferred, until } = require('./support/wait');

both('close ends connections, and aborts what is pending', async (t) => {
  const arrived = deferred();
  const aborted = deferred();
  const { app, port } = serve(t, (app) => {
    app.get('/', (res) => {
      res.onAborted(aborted.resolve);
      arrived.resolve();
    });
  });
  const idle = await connect(t, port);
  const pending = await connect(t, port);
  pending.write(request('GET', '/'));
  await arrived.promise;
  app.close();
  await aborted.promise;
  assert.equal((await pending.ended()).length, 0);
  assert.equal((await idle.ended()).length, 0);
  await assert.rejects(connect(t, port), { code: 'ECONNREFUSED' });
});

both('close closes WebSockets with 1006', async (t) => {
  const closed = deferred();
  const { app, port } = serve(t, (app) => {
    app.ws('/', { close: (_, code, message) => closed.resolve([code, message.byteLength]) });
  });
  const client = await open(t, port);
  app.close();
  assert.deepEqual(await closed.promise, [1006, 0]);
  assert.equal((await client.take('close')).code, 1006);
});

own('close twice is close once, and an app that is closed listens no more', (t) => {
  const { app } = serve(t, () => {});
  assert.equal(app.close(), app);
  assert.equal(app.close(), app);
});

both('close from within a handler', async (t) => {
  const { app, port } = serve(t, (app) => {
    app.get('/', (res) => {
      res.onAborted(() => {});
      app.close();
    });
  });
  const client = await connect(t, port);
  client.write(request('GET', '/'));
  await client.ended();
  await assert.rejects(connect(t, port), { code: 'ECONNREFUSED' });
  assert.ok(app);
});

both('filters are told of connections and of their ends', async (t) => {
  const counts = [[], []];
  const { port } = serve(t, (app) => {
    app.get('/', (res) => res.end());
    app.filter((_, count) => counts[0].push(count));
    app.filter((_, count) => counts[1].push(count));
  });
  const first = await connect(t, port);
  await until(() => counts[1].length === 1);
  const second = await connect(t, port);
  await until(() => counts[1].length === 2);
  second.write(request('GET', '/'));
  await second.response();
  second.write(request('GET', '/'));
  await second.response();
  assert.deepEqual(counts, [[1, 1], [1, 1]]);
  first.destroy();
  await until(() => counts[1].length === 3);
  second.reset();
  await until(() => counts[1].length === 4);
  assert.deepEqual(counts, [[1, 1, -1, -1], [1, 1, -1, -1]]);
});

both('a filter reads the address of a new connection', async (t) => {
  const seen = deferred();
  const { port } = serve(t, (app) => {
    app.filter((res, count) => {
      if (count === 1) {
        seen.resolve({
          text: Buffer.from(res.getRemoteAddressAsText()).toString(),
          port: res.getRemotePort(),
        });
      }
    });
  });
  const client = await connect(t, port);
  const { text, port: remote } = await seen.promise;
  assert.equal(text, '0000:0000:0000:0000:0000:ffff:7f00:0001');
  assert.equal(remote, client.socket.localPort);
});

both('a filter may close a connection', async (t) => {
  const { port } = serve(t, (app) => {
    app.filter((res, count) => {
      if (count === 1) {
        res.close();
      }
    });
    app.get('/', (res) => res.end('hello'));
  });
  const client = await connect(t, port);
  assert.equal((await client.ended()).length, 0);
});

own('a filter has to be a function', (t) => {
  const { app } = serve(t, () => {});
  for (const value of [undefined, null, 1, {}]) {
    assert.throws(() => app.filter(value), {
      message: 'Passed callback is not a valid function.',
    });
  }
});

own('who listens within the handler that closes the app is told, once', async (t) => {
  for (const strict of [false, true]) {
    let told = 0;
    const left = deferred();
    const { app, port } = serve(t, (app) => {
      app.get('/', (res) => {
        app.close();
        res.onAborted(() => {
          told += 1;
        });
        assert.equal(res.aborted, true);
        res.onAborted(left.resolve);
      });
    }, { strict });
    const client = await connect(t, port);
    client.write(request('GET', '/'));
    await client.ended();
    await left.promise;
    await app.stop();
    assert.equal(told, 1);
  }
});
