'use strict';

// Values that JavaScript allows and nobody expects, and what is left when an app has gone.

const assert = require('node:assert/strict');
const { execFile } = require('node:child_process');
const fs = require('node:fs');
const vm = require('node:vm');
const { uws, entry, own } = require('./support/implementation');
const { serve, serveLogged } = require('./support/server');
const { connect, request, fetch } = require('./support/raw');
const { open } = require('./support/websocket');
const { until } = require('./support/wait');

own('every kind of view is sent as its bytes', async (t) => {
  const kinds = ['Int8Array', 'Uint8Array', 'Uint8ClampedArray', 'Int16Array', 'Uint16Array',
    'Int32Array', 'Uint32Array', 'Float32Array', 'Float64Array', 'BigInt64Array',
    'BigUint64Array', 'Float16Array', 'DataView'].filter((name) => name in globalThis);
  let view;
  const { port } = serve(t, (app) => app.get('/', (res) => res.end(view)));
  for (const name of kinds) {
    const bytes = Uint8Array.from({ length: 48 }, (_, index) => index);
    view = new globalThis[name](bytes.buffer, 8, 2);
    const expected = Buffer.from(bytes.buffer, 8, view.byteLength);
    assert.ok((await fetch(t, port, '/')).body.equals(expected), name);
  }
});

own('buffers of another context are taken', async (t) => {
  const context = vm.createContext({});
  const buffer = vm.runInContext('new Uint8Array([104, 105]).buffer', context);
  const { port } = serve(t, (app) => {
    app.get('/', (res) => res.end(buffer));
    app.get('/view', (res) => res.end(vm.runInContext('new Uint8Array([104, 105])', context)));
  });
  assert.equal((await fetch(t, port, '/')).text, 'hi');
  assert.equal((await fetch(t, port, '/view')).text, 'hi');
});

/** Upgrades with some user data, and throws when the socket is open. */
async function openFailing(t, userData) {
  const { port } = serveLogged(t, (app) => {
    app.ws('/*', {
      upgrade: (res, req, context) => {
        res.upgrade(userData, req.getHeader('sec-websocket-key'), '', '', context);
      },
      open: () => {
        throw new Error('a failure');
      },
    });
  });
  const client = await open(t, port);
  return (await client.take('close')).code;
}

own('user data with the name of a method does not disarm the guard', async (t) => {
  assert.equal(await openFailing(t, { end: 5, send: 6 }), 1011);
});

own('user data from JSON cannot change what a socket is', async (t) => {
  assert.equal(await openFailing(t, JSON.parse('{"__proto__": {"x": 1}}')), 1011);
});

own('user data that throws while it is copied is a 500, and no socket', async (t) => {
  let opened = 0;
  const { port } = serveLogged(t, (app) => {
    app.ws('/*', {
      upgrade: (res, req, context) => {
        const userData = {
          get broken() {
            throw new Error('a failure');
          },
        };
        res.upgrade(userData, req.getHeader('sec-websocket-key'), '', '', context);
      },
      open: () => {
        opened += 1;
      },
    });
  });
  await assert.rejects(open(t, port));
  assert.equal(opened, 0);
});

own('the context of another request is refused, and the request is answered', async (t) => {
  let first;
  const { port } = serveLogged(t, (app) => {
    app.ws('/*', {
      upgrade: async (res, req, context) => {
        first ??= context;
        await null;
        res.upgrade({}, req.getHeader('sec-websocket-key'), '', '', first);
      },
    });
  });
  await open(t, port);
  await assert.rejects(open(t, port));
});

own('what a handler returns may be any kind of thenable', async (t) => {
  const broken = {
    get then() {
      throw new Error('a failure');
    },
  };
  const throwing = {
    then() {
      throw new Error('a failure');
    },
  };
  const { port } = serveLogged(t, (app) => {
    app.get('/getter', () => broken);
    app.get('/call', () => throwing);
    app.get('/kept', (res) => {
      res.onAborted(() => {});
      return throwing;
    });
  });
  for (const path of ['/getter', '/call', '/kept']) {
    assert.equal((await fetch(t, port, path)).status, 500, path);
  }
});

own('an error whose stack is no text is reported', async (t) => {
  const { port, warnings } = serveLogged(t, (app) => {
    app.get('/', () => {
      throw Object.assign(new Error('a failure'), { stack: Symbol('stack') });
    });
  });
  assert.equal((await fetch(t, port, '/')).status, 500);
  assert.equal(warnings().length, 1);
});

own('the behaviour of WebSockets may be of a class', async (t) => {
  class Behaviour {
    upgrade(res) {
      res.writeStatus('403 Forbidden').end();
    }
  }
  const { port } = serve(t, (app) => app.ws('/*', new Behaviour()));
  await assert.rejects(open(t, port));
});

own('a body is read in one way', async (t) => {
  const { port } = serveLogged(t, (app) => {
    app.post('/', (res) => {
      res.onData(() => {});
      assert.throws(() => res.collectBody(10, () => {}), /is being read already/);
      res.end('refused');
    });
  });
  const client = await connect(t, port);
  client.write(request('POST', '/', {}, 'abc'));
  assert.equal((await client.response()).text, 'refused');
});

own('onDataV2 after a handler that was not asynchronous', async (t) => {
  const { port } = serve(t, (app) => {
    app.post('/', (res) => {
      res.onAborted(() => {});
      setTimeout(() => res.onDataV2((chunk, left) => left === 0n && res.end('read')), 1);
    });
  });
  const client = await connect(t, port);
  client.write(request('POST', '/', {}, 'abc'));
  assert.equal((await client.response()).text, 'read');
});

own('totalSize is a number of bytes', async (t) => {
  const { port } = serve(t, (app) => {
    app.get('/', (res) => {
      for (const size of [-1, NaN, Infinity, 0.5, 2 ** 64]) {
        assert.throws(() => res.tryEnd('x', size), RangeError, String(size));
      }
      res.tryEnd('x', 1);
    });
  });
  assert.equal((await fetch(t, port, '/')).text, 'x');
});

own('a descriptor that is refused stays the program\'s', (t) => {
  const fd = fs.openSync(__filename, 'r');
  t.after(() => fs.closeSync(fd));
  const { app } = serve(t, () => {});
  assert.throws(() => app.adoptSocket(fd), /no connected socket/);
  assert.ok(fs.fstatSync(fd).isFile());
});

own('what was counted stays after a stop', async (t) => {
  const { app, port } = serve(t, (app) => app.get('/', (res) => res.end('x')));
  assert.equal((await fetch(t, port, '/')).status, 200);
  await app.stop({ grace: 0 });
  assert.equal(app.counters().requests, 1);
  assert.equal(app.get('/later', () => {}), app);
});

own('a cached route whose handler does not answer is answered 500', async (t) => {
  const { port } = serveLogged(t, (app) => {
    app.get('/*', (res, req) => (req.getUrl() === '/async' ? Promise.resolve() : undefined), {
      lowerExpiry: 1,
      upperExpiry: 2,
    });
  });
  for (const path of ['/sync', '/async', '/sync']) {
    assert.equal((await fetch(t, port, path)).status, 500, path);
  }
});

own('what a log handler sends leaves at once', async (t) => {
  let socket;
  const { port } = serve(t, (app) => {
    app.onLog((record) => socket?.send(record.message));
    app.get('/', (res) => {
      res.onAborted(() => {});
      // Nothing else happens then.
      setTimeout(() => {
        try {
          res.writeHeader('bad name', 'x');
        } catch {
          // It is refused, and there is a record of it.
        }
      }, 20);
    });
    app.ws('/ws', { open: (ws) => (socket = ws) });
  });
  const client = await open(t, port, '/ws');
  const other = await connect(t, port);
  other.write(request('GET', '/'));
  const { data } = await client.take('message');
  assert.match(data.toString(), /bad name/);
});

own('apps that are closed give their descriptors back', async () => {
  const count = () => fs.readdirSync('/proc/self/fd').length;
  const before = count();
  for (let number = 0; number < 200; number++) {
    uws.App().listen(0, (token) => assert.ok(token)).close();
  }
  await until(() => count() <= before + 8);
});

own('a process whose beforeExit looks at an app ends', async () => {
  const program = `
    const app = require(${JSON.stringify(entry)}).App();
    let times = 0;
    process.on('beforeExit', () => {
      times += 1;
      if (times > 10) process.exit(3);
      app.counters();
      app.numSubscribers('x');
      app.close();
    });`;
  await new Promise((resolve, reject) => {
    execFile(process.execPath, ['-e', program], { timeout: 30_000 }, (error) => {
      if (error) reject(error);
      else resolve();
    });
  });
});
