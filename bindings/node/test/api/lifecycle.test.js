'use strict';

// What keirin adds: stop, counters, onLog.

const assert = require('node:assert/strict');
const { spawnSync } = require('node:child_process');
const { entry, own, ownInBothModes } = require('./support/implementation');
const { serve, serveLogged } = require('./support/server');
const { connect, request, fetch } = require('./support/raw');
const { open } = require('./support/websocket');
const { deferred, until, turn } = require('./support/wait');

own('stop lets an answer that has begun end, and takes no more', async (t) => {
  const arrived = deferred();
  const { app, port } = serve(t, (app) => {
    app.get('/', (res) => {
      res.onAborted(() => assert.fail('aborted'));
      res.write('first ');
      arrived.resolve(res);
    });
  });
  const client = await connect(t, port);
  client.write(request('GET', '/'));
  const res = await arrived.promise;
  let stopped = false;
  const stopping = app.stop({ grace: 30_000 }).then((value) => {
    stopped = true;
    return value;
  });
  assert.ok(stopping instanceof Promise);
  await until(() => connect(t, port).then((other) => other.destroy(), () => true));
  assert.equal(stopped, false);
  res.end('last');
  assert.equal((await client.response()).text, 'first last');
  await stopping;
  await client.ended();
  await assert.rejects(connect(t, port), { code: 'ECONNREFUSED' });
});

own('stop closes idle connections, and WebSockets with 1001', async (t) => {
  const closes = [];
  const { app, port } = serve(t, (app) => {
    app.get('/', (res) => res.end());
    app.ws('/*', { close: (ws, code) => closes.push(code) });
  });
  const idle = await connect(t, port);
  idle.write(request('GET', '/'));
  await idle.response();
  const client = await open(t, port, '/ws');
  const stopping = app.stop();
  assert.equal((await client.take('close')).code, 1001);
  assert.equal((await idle.ended()).length, 0);
  await stopping;
  assert.deepEqual(closes, [1001]);
});

own('stop cuts what is left after its grace', async (t) => {
  const arrived = deferred();
  const aborted = deferred();
  const { app, port } = serve(t, (app) => {
    app.get('/', (res) => {
      res.onAborted(aborted.resolve);
      arrived.resolve();
    });
  });
  const client = await connect(t, port);
  client.write(request('GET', '/'));
  await arrived.promise;
  await app.stop({ grace: 20 });
  await aborted.promise;
  assert.equal((await client.ended()).length, 0);
});

own('stop with a grace of 0 cuts at once', async (t) => {
  const aborted = deferred();
  const arrived = deferred();
  const { app, port } = serve(t, (app) => {
    app.get('/', (res) => {
      res.onAborted(aborted.resolve);
      arrived.resolve();
    });
  });
  const client = await connect(t, port);
  client.write(request('GET', '/'));
  await arrived.promise;
  await app.stop({ grace: 0 });
  await aborted.promise;
  await client.ended();
});

own('stop twice, after close, and before listening', async (t) => {
  const { app } = serve(t, () => {});
  const [first, second] = [app.stop(), app.stop({ grace: 10 })];
  await Promise.all([first, second]);
  await app.stop();
  app.close();
  const other = serve(t, () => {});
  other.app.close();
  await other.app.stop();
});

own('close during stop ends it', async (t) => {
  const arrived = deferred();
  const { app, port } = serve(t, (app) => {
    app.get('/', (res) => {
      res.onAborted(() => {});
      arrived.resolve();
    });
  });
  const client = await connect(t, port);
  client.write(request('GET', '/'));
  await arrived.promise;
  const stopping = app.stop({ grace: 1_000_000 });
  app.close();
  await stopping;
  await client.ended();
});

own('stop within a handler answers it first', async (t) => {
  const { app, port } = serve(t, (app) => {
    app.get('/', (res) => {
      app.stop();
      res.end('going');
    });
  });
  const client = await connect(t, port);
  client.write(request('GET', '/'));
  assert.equal((await client.response()).text, 'going');
  await client.ended();
  await app.stop();
});

own('a grace has to be a number of milliseconds', async (t) => {
  const { app, port } = serve(t, (app) => app.get('/', (res) => res.end('well')));
  for (const grace of [-1, NaN, 'soon', {}]) {
    await assert.rejects(async () => app.stop({ grace }), (error) => {
      assert.ok(error instanceof RangeError || error instanceof TypeError);
      return true;
    });
  }
  assert.equal((await fetch(t, port, '/')).text, 'well');
});

own('counters are numbers, and count', async (t) => {
  const { app, port } = serve(t, (app) => {
    app.get('/', (res) => res.end());
    app.ws('/ws', { message: (ws, message) => ws.send(message) });
  });
  await until(() => app.counters().connectionsOpen === 0);
  const before = app.counters();
  for (const [name, value] of Object.entries(before)) {
    assert.ok(Number.isSafeInteger(value) && value >= 0, name);
    assert.match(name, /^[a-z]+([A-Z][a-z]+)*$/);
  }
  const client = await connect(t, port);
  for (let count = 0; count < 3; count++) {
    client.write(request('GET', '/'));
    await client.response();
  }
  const socket = await open(t, port, '/ws');
  socket.send('x');
  await socket.text();
  const after = app.counters();
  const grown = (name) => after[name] - before[name];
  assert.equal(grown('requests'), 4);
  assert.ok(grown('answers') >= 3);
  assert.equal(grown('connectionsAccepted'), 2);
  assert.equal(grown('connectionsOpen'), 2);
  assert.equal(grown('socketsOpened'), 1);
  assert.equal(grown('socketsOpen'), 1);
  assert.equal(grown('messagesReceived'), 1);
  assert.equal(grown('messagesSent'), 1);
  client.destroy();
  socket.socket.terminate();
  await until(() => {
    const { connectionsOpen, socketsOpen } = app.counters();
    return connectionsOpen === before.connectionsOpen && socketsOpen === before.socketsOpen;
  });
});

own('accessLog gives a record of every answer', async (t) => {
  const { port, records } = serveLogged(t, (app) => {
    app.get('/a', (res) => res.end('hello'));
  }, { accessLog: true });
  await fetch(t, port, '/a?q=1');
  await fetch(t, port, '/none');
  await until(() => records.length === 2);
  assert.deepEqual(records.map(({ level }) => level), ['access', 'access']);
  assert.match(records[0].message, /GET/);
  assert.match(records[0].message, /\/a\?q=1/);
  assert.match(records[0].message, /200/);
  assert.match(records[1].message, /404/);
  assert.equal(typeof records[0].peer, 'string');
  assert.match(records[0].peer, /127\.0\.0\.1/);
});

own('without accessLog answers are not told of', async (t) => {
  const { port, records } = serveLogged(t, (app) => app.get('/', (res) => res.end()));
  await fetch(t, port, '/');
  await turn();
  assert.deepEqual(records, []);
});

ownInBothModes('onLog replaces stderr, and may be replaced itself', async (t, strict) => {
  const others = [];
  const { app, port, records } = serveLogged(t, (app) => app.get('/', () => {}), { strict });
  await fetch(t, port, '/');
  await until(() => records.length === 1);
  assert.equal(app.onLog((record) => others.push(record)), app);
  await fetch(t, port, '/');
  await until(() => others.length === 1);
  assert.equal(records.length, 1);
  assert.ok(['warn', 'error'].includes(others[0].level));
  assert.equal(typeof others[0].message, 'string');
});

own('onLog that throws kills nothing', async (t) => {
  const { port } = serve(t, (app) => {
    app.onLog(() => {
      throw new Error('within onLog');
    });
    app.get('/', () => {});
    app.get('/well', (res) => res.end('well'));
  });
  assert.equal((await fetch(t, port, '/')).status, 500);
  assert.equal((await fetch(t, port, '/well')).text, 'well');
});

own('without onLog warnings go to stderr, one line each', () => {
  const source = `
    const http = require('node:http');
    const uws = require(${JSON.stringify(entry)});
    const app = uws.App().get('/the/path', () => {});
    app.listen(0, (token) => {
      const options = { port: uws.us_socket_local_port(token), path: '/the/path', agent: false };
      http.get(options, (response) => {
        console.log(response.statusCode);
        response.resume();
        response.on('end', () => app.close());
      });
    });
  `;
  const parameters = [...process.execArgv, '-e', source];
  const { status, stdout, stderr } = spawnSync(process.execPath, parameters, { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  assert.equal(stdout.trim(), '500');
  const lines = stderr.split('\n').filter((line) => line.includes('/the/path'));
  assert.equal(lines.length, 1, stderr);
  assert.match(lines[0], /get/i);
});
