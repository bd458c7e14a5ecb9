'use strict';

// Calls on a response that has ended, in every way that it can end.

const assert = require('node:assert/strict');
const { both, own, ownInBothModes } = require('./support/implementation');
const { serve } = require('./support/server');
const { connect, request } = require('./support/raw');
const { HANDSHAKE } = require('./support/websocket');
const { deferred, until, turn } = require('./support/wait');

const DEAD = 'uWS.HttpResponse must not be accessed after uWS.HttpResponse.onAborted callback, or '
  + 'after a successful response. See documentation for uWS.HttpResponse and consult the user '
  + 'manual.';

const CALLS = {
  writeStatus: ['404 Not Found'],
  writeHeader: ['late', 'yes'],
  write: ['late'],
  end: ['late'],
  endWithoutBody: [],
  tryEnd: ['late', 4],
  getWriteOffset: [],
  onWritable: [() => assert.fail('onWritable was called')],
  onData: [() => assert.fail('onData was called')],
  onDataV2: [() => assert.fail('onDataV2 was called')],
  collectBody: [100, () => assert.fail('collectBody called back')],
  pause: [],
  resume: [],
  cork: [() => {}],
  getRemoteAddress: [],
  getRemoteAddressAsText: [],
  getRemotePort: [],
  getProxiedRemoteAddress: [],
  getProxiedRemoteAddressAsText: [],
  getProxiedRemotePort: [],
  close: [],
};

const VALUES = { write: false, tryEnd: [true, true] };

/** Ways in which a response ends by a call, and the request that they need. */
const WAYS = {
  end: (res) => res.end('body'),
  'end and close': (res) => res.end('body', true),
  endWithoutBody: (res) => res.endWithoutBody(),
  tryEnd: (res) => res.tryEnd('body', 4),
  'write and end': (res) => {
    res.write('bo');
    res.end('dy');
  },
  close: (res) => res.close(),
  upgrade: (res, req, context) => {
    res.upgrade({}, req.getHeader('sec-websocket-key'), '', '', context);
  },
};

function route(app, handler) {
  app.any('/*', handler);
  app.ws('/upgrade', { upgrade: handler });
}

function start(t, name, port) {
  return connect(t, port).then((client) => {
    const isUpgrade = name === 'upgrade';
    client.write(isUpgrade ? request('GET', '/upgrade', HANDSHAKE) : request('GET', '/'));
    return client;
  });
}

both('calls on a response that ended throw in the peer', async (t) => {
  let thrown = null;
  const { port } = serve(t, (app) => {
    app.get('/', (res) => {
      res.end();
      try {
        res.end();
      } catch (error) {
        thrown = error;
      }
    });
  }, { strict: true });
  const client = await connect(t, port);
  client.write(request('GET', '/'));
  await client.response();
  assert.equal(thrown.message, DEAD);
});

function attempt(res, name, strict) {
  const parameters = CALLS[name];
  if (strict) {
    assert.throws(() => res[name](...parameters), (error) => {
      assert.equal(error.message, DEAD, name);
      return true;
    });
    return;
  }
  const value = res[name](...parameters);
  if (name in VALUES) {
    assert.deepEqual(value, VALUES[name], name);
  } else if (name === 'getWriteOffset' || name.endsWith('Port')) {
    assert.equal(value, 0, name);
  } else if (name.startsWith('get')) {
    assert.equal(value.byteLength, 0, name);
  } else {
    assert.equal(value, res, name);
  }
}

for (const [name, terminate] of Object.entries(WAYS)) {
  ownInBothModes(`after ${name} every call is void, at once and later`, async (t, strict) => {
    const done = deferred();
    const { port } = serve(t, (app) => {
      app.onLog(() => {});
      route(app, (res, req, context) => {
        try {
          terminate(res, req, context);
          Object.keys(CALLS).forEach((call) => attempt(res, call, strict));
          done.resolve(res);
        } catch (error) {
          done.reject(error);
        }
      });
    }, { strict });
    const client = await start(t, name, port);
    const res = await done.promise;
    await turn();
    Object.keys(CALLS).forEach((call) => attempt(res, call, strict));
    assert.equal(res.ended || res.aborted, true);
    if (name === 'close') {
      assert.equal((await client.ended()).length, 0);
      return;
    }
    const response = await client.head();
    assert.equal(response.header('late'), undefined);
    assert.equal(response.status, name === 'upgrade' ? 101 : 200);
  });
}

own('late calls change nothing on the wire, nor the next answer', async (t) => {
  const kept = [];
  const { port } = serve(t, (app) => {
    app.get('/', (res) => {
      kept.forEach((old) => old.writeHeader('late', 'yes').end('late'));
      res.end('right');
      res.end('twice');
      res.write('more');
      kept.push(res);
    });
  });
  const client = await connect(t, port);
  for (let count = 0; count < 5; count++) {
    client.write(request('GET', '/'));
    const response = await client.response();
    assert.equal(response.header('late'), undefined);
    assert.equal(response.text, 'right');
  }
  kept.forEach((old) => old.end('late'));
  await turn();
  client.write(request('GET', '/', { Connection: 'close' }));
  assert.equal((await client.response()).text, 'right');
  assert.equal((await client.ended()).length, 0);
});

ownInBothModes('after an abort every call is void', async (t, strict) => {
  const aborted = deferred();
  const arrived = deferred();
  const { port } = serve(t, (app) => {
    app.get('/', (res) => {
      res.onAborted(() => {
        try {
          assert.equal(res.aborted, true);
          Object.keys(CALLS).forEach((call) => attempt(res, call, strict));
          aborted.resolve(res);
        } catch (error) {
          aborted.reject(error);
        }
      });
      arrived.resolve();
    });
  }, { strict });
  const client = await connect(t, port);
  client.write(request('GET', '/'));
  await arrived.promise;
  client.reset();
  const res = await aborted.promise;
  await turn();
  Object.keys(CALLS).forEach((call) => attempt(res, call, strict));
});

own('strictly the error tells of the first terminal call', async (t) => {
  const thrown = deferred();
  const { port } = serve(t, (app) => {
    app.get('/', (res) => {
      (function theFirstTerminalCall() {
        res.end('first');
      })();
      try {
        res.end('second');
      } catch (error) {
        thrown.resolve(error);
      }
    });
  }, { strict: true });
  const client = await connect(t, port);
  client.write(request('GET', '/'));
  assert.equal((await client.response()).text, 'first');
  const error = await thrown.promise;
  assert.ok(error.cause instanceof Error);
  assert.match(error.cause.stack, /theFirstTerminalCall/);
});

own('misuse is counted', async (t) => {
  const { app, port } = serve(t, (app) => {
    app.get('/', (res) => {
      res.end();
      res.end();
      res.writeHeader('a', 'b');
    });
  });
  const before = app.counters();
  const client = await connect(t, port);
  client.write(request('GET', '/'));
  await client.response();
  const after = app.counters();
  const misuse = (counters) => Object.entries(counters)
    .filter(([name]) => name.startsWith('misuse'))
    .reduce((sum, [, count]) => sum + count, 0);
  assert.equal(misuse(after) - misuse(before), 2);
});

ownInBothModes('ended and aborted are data, which a program may overwrite', async (t, strict) => {
  const seen = deferred();
  const { port } = serve(t, (app) => {
    app.get('/', (res) => {
      const descriptors = ['ended', 'aborted'].map((name) => {
        const { value, writable, enumerable } = Object.getOwnPropertyDescriptor(res, name);
        return [value, writable, enumerable];
      });
      res.ended = true;
      res.aborted = 'yes';
      res.end('answered all the same');
      res.ended = false;
      res.aborted = false;
      try {
        res.end('twice');
      } catch {
        // Strictly it throws: the guard is not fooled.
      }
      seen.resolve(descriptors);
    });
  }, { strict });
  const client = await connect(t, port);
  client.write(request('GET', '/', { Connection: 'close' }));
  const [ended, aborted] = await seen.promise;
  assert.deepEqual(ended.slice(0, 2), [false, true]);
  assert.deepEqual(aborted.slice(0, 2), [false, true]);
  assert.equal((await client.response()).text, 'answered all the same');
  assert.equal((await client.ended()).length, 0);
});

ownInBothModes('ended and aborted tell how it went', async (t, strict) => {
  const responses = [];
  const { port } = serve(t, (app) => {
    app.get('/end', (res) => {
      res.end();
      responses.push([res.ended, res.aborted]);
    });
    app.get('/leave', (res) => {
      responses.push(res);
      res.onAborted(() => {});
    });
  }, { strict });
  const client = await connect(t, port);
  client.write(request('GET', '/end'));
  await client.response();
  assert.deepEqual(responses[0], [true, false]);
  client.write(request('GET', '/leave'));
  await until(() => responses.length === 2);
  assert.deepEqual([responses[1].ended, responses[1].aborted], [false, false]);
  client.reset();
  await until(() => responses[1].aborted);
  assert.equal(responses[1].ended, false);
});

ownInBothModes('onAborted adds handlers, which are called in order and once', async (t, strict) => {
  const order = [];
  let response;
  const { port } = serve(t, (app) => {
    app.get('/', (res) => {
      response = res;
      res.onAborted(() => order.push(1));
      res.onAborted(() => {
        order.push(2);
        res.onAborted(() => order.push('within'));
      });
      res.onAborted(() => order.push(3));
    });
  }, { strict });
  const client = await connect(t, port);
  client.write(request('GET', '/'));
  await until(() => response);
  client.reset();
  await until(() => order.length === 4);
  assert.deepEqual(order.slice(0, 2), [1, 2]);
  assert.deepEqual([...order].map(String).sort(), ['1', '2', '3', 'within']);
  assert.ok(order.indexOf(3) > order.indexOf(2));
  assert.equal(response.onAborted(() => order.push('late')), response);
  assert.equal(order.length, 4, 'not from within the call');
  await turn();
  assert.equal(order.at(-1), 'late');
  await turn();
  assert.equal(order.length, 5);
});

own('a handler for aborts is not called after an answer', async (t) => {
  let response;
  const { port } = serve(t, (app) => {
    app.get('/', (res) => {
      response = res;
      res.onAborted(() => assert.fail('aborted'));
      res.end('answered');
      res.onAborted(() => assert.fail('aborted later'));
    });
  });
  const client = await connect(t, port);
  client.write(request('GET', '/'));
  assert.equal((await client.response()).text, 'answered');
  response.onAborted(() => assert.fail('aborted last'));
  client.reset();
  await turn();
  await turn();
});

own('close within a handler aborts right after it', async (t) => {
  const order = [];
  const { port } = serve(t, (app) => {
    app.get('/', (res) => {
      res.onAborted(() => order.push('aborted'));
      setImmediate(() => order.push('next turn'));
      res.close();
      order.push('returned');
    });
  });
  const client = await connect(t, port);
  client.write(request('GET', '/'));
  await client.ended();
  await until(() => order.length === 3);
  assert.deepEqual(order, ['returned', 'aborted', 'next turn']);
});

own('what is written outside of a callback leaves at once together, without a warning',
  async (t) => {
    const warned = [];
    const write = process.stderr.write;
    process.stderr.write = (text, ...rest) => {
      warned.push(String(text));
      return write.call(process.stderr, text, ...rest);
    };
    t.after(() => {
      process.stderr.write = write;
    });
    const { port } = serve(t, (app) => {
      app.get('/', (res) => {
        res.onAborted(() => {});
        setTimeout(() => {
          res.writeStatus('202 Accepted');
          res.writeHeader('a', 'b');
          for (let count = 0; count < 50; count++) {
            res.write(String(count));
          }
          res.end();
        }, 1);
      });
    });
    const client = await connect(t, port);
    let pieces = 0;
    client.socket.on('data', () => {
      pieces += 1;
    });
    client.write(request('GET', '/'));
    assert.equal((await client.response()).status, 202);
    assert.equal(pieces, 1);
    assert.deepEqual(warned.filter((text) => /cork|HttpResponse/i.test(text)), []);
  });
