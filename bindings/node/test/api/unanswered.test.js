'use strict';

// Handlers that throw, reject, or leave without an answer.

const assert = require('node:assert/strict');
const { own, ownInBothModes } = require('./support/implementation');
const { serveLogged } = require('./support/server');
const { connect, request, fetch } = require('./support/raw');
const { open, dial } = require('./support/websocket');
const { deferred, until, sleep, turn } = require('./support/wait');

const WITHOUT_ANSWER = {
  'returns': () => {},
  'returns a value': () => 42,
  'returns a promise that resolves': async () => {},
  'resolves after an await': async () => {
    await turn();
  },
  'has written only a status': (res) => {
    res.writeStatus('201 Created');
  },
  'has written only a header': (res) => {
    res.writeHeader('a', 'b');
  },
  'has corked nothing': (res) => {
    res.cork(() => {});
  },
  'has asked for the address': (res) => {
    res.getRemoteAddress();
  },
};

for (const [name, handler] of Object.entries(WITHOUT_ANSWER)) {
  ownInBothModes(`a handler that ${name} without an answer is answered 500`, async (t, strict) => {
    const { port, warnings } = serveLogged(t, (app) => app.any('/some/*', handler), { strict });
    const client = await connect(t, port);
    client.write(request('PUT', '/some/path?q', {}, 'body'));
    assert.equal((await client.response()).status, 500);
    await until(() => warnings().length > 0);
    await turn();
    assert.equal(warnings().length, 1);
    assert.match(warnings()[0].message, /put/i);
    assert.match(warnings()[0].message, /\/some\/path/);
  });
}

const LATER = {
  onAborted: (res) => res.onAborted(() => {}),
  onData: (res) => res.onData(() => {}),
  onDataV2: (res) => res.onDataV2(() => {}),
  collectBody: (res) => res.collectBody(10, () => {}),
  onWritable: (res) => res.onWritable(() => true),
};

for (const [name, register] of Object.entries(LATER)) {
  for (const isAsync of [false, true]) {
    const kind = isAsync ? 'a promise and ' : '';
    ownInBothModes(`a handler with ${kind}${name} answers when it likes`, async (t, strict) => {
      let response;
      const handler = (res) => {
        register(res);
        response = res;
      };
      const { port, warnings } = serveLogged(t, (app) => {
        app.post('/', isAsync ? async (res) => handler(res) : handler);
      }, { strict });
      const client = await connect(t, port);
      client.write(request('POST', '/', {}, 'x'));
      await until(() => response);
      await turn();
      await turn();
      response.end('later');
      assert.equal((await client.response()).text, 'later');
      assert.deepEqual(warnings(), []);
    });
  }
}

const THROWN = [new Error('a failure'), new TypeError('a type'), 'a text', undefined, null, 42,
  { message: 'an object' }, Object.create(null), Symbol('s')];

for (const kind of ['throws', 'rejects at once', 'rejects later']) {
  const fail = {
    throws: (value) => {
      throw value;
    },
    'rejects at once': (value) => Promise.reject(value),
    'rejects later': async (value) => {
      await turn();
      throw value;
    },
  }[kind];

  ownInBothModes(`a handler that ${kind} is answered 500`, async (t, strict) => {
    const { port, warnings } = serveLogged(t, (app) => {
      app.get('/:n', (res, req) => fail(THROWN[Number(req.getParameter(0))]));
    }, { strict });
    const client = await connect(t, port);
    for (let number = 0; number < THROWN.length; number++) {
      client.write(request('GET', `/${number}`));
      assert.equal((await client.response()).status, 500);
      await until(() => warnings().length > number);
      assert.equal(warnings().length, number + 1);
    }
    assert.match(warnings()[0].message, /a failure/);
  });

  ownInBothModes(`onError answers for a handler that ${kind}`, async (t, strict) => {
    const calls = [];
    const failure = new Error('a failure');
    let response;
    const { port } = serveLogged(t, (app) => {
      assert.equal(app.onError((error, res, req) => {
        calls.push([error, res, typeof req.getUrl]);
        res.writeStatus('503 Later').end('from onError');
      }), app);
      app.get('/', (res) => {
        response = res;
        return fail(failure);
      });
    }, { strict });
    const client = await connect(t, port);
    for (let count = 1; count < 3; count++) {
      client.write(request('GET', '/'));
      const answer = await client.response();
      assert.equal(answer.status, 503);
      assert.equal(answer.text, 'from onError');
      assert.equal(calls.length, count);
      assert.equal(calls.at(-1)[0], failure);
      assert.equal(calls.at(-1)[1], response);
      assert.equal(calls.at(-1)[2], 'function');
    }
  });

  own(`onError that does not answer leaves 500 to a handler that ${kind}`, async (t) => {
    let calls = 0;
    const { port } = serveLogged(t, (app) => {
      app.onError(() => {
        calls += 1;
      });
      app.get('/', () => fail(new Error('a failure')));
    });
    assert.equal((await fetch(t, port, '/')).status, 500);
    assert.equal(calls, 1);
  });

  own(`onError that throws leaves 500 to a handler that ${kind}`, async (t) => {
    const { port } = serveLogged(t, (app) => {
      app.onError(() => {
        throw new Error('another failure');
      });
      app.get('/', () => fail(new Error('a failure')));
    });
    const client = await connect(t, port);
    for (let count = 0; count < 3; count++) {
      client.write(request('GET', '/'));
      assert.equal((await client.response()).status, 500);
    }
  });

  ownInBothModes(`an onError that waits answers for a handler that ${kind}`, async (t, strict) => {
    const calls = [];
    const { port, warnings } = serveLogged(t, (app) => {
      app.onError(async (error, res, req) => {
        calls.push(error.message);
        await sleep(5);
        res.writeStatus('503 Later').end(`${req.getUrl()} ${req.getHeader('x-name')}`);
      });
      app.get('/*', () => fail(new Error('a failure')));
    }, { strict });
    const client = await connect(t, port);
    for (const path of ['/one', '/two']) {
      client.write(request('GET', path, { 'X-Name': 'name' }));
      const answer = await client.response();
      assert.equal(answer.status, 503);
      assert.equal(answer.text, `${path} name`);
    }
    assert.deepEqual(calls, ['a failure', 'a failure']);
    assert.equal(warnings().length, 2);
  });

  own(`an onError that waits for nothing leaves 500 to a handler that ${kind}`, async (t) => {
    const { port, warnings } = serveLogged(t, (app) => {
      app.onError(async (error, res) => {
        res.onAborted(() => {});
        await sleep(5);
      });
      app.get('/', () => fail(new Error('a failure')));
    });
    const client = await connect(t, port);
    for (let count = 1; count < 3; count++) {
      client.write(request('GET', '/'));
      assert.equal((await client.response()).status, 500);
      assert.equal(warnings().length, count);
    }
  });

  own(`an onError that rejects leaves 500 to a handler that ${kind}, and is told`, async (t) => {
    const { port, warnings } = serveLogged(t, (app) => {
      app.onError(async () => {
        await sleep(5);
        throw new Error('another failure');
      });
      app.get('/', () => fail(new Error('a failure')));
    });
    const client = await connect(t, port);
    client.write(request('GET', '/'));
    assert.equal((await client.response()).status, 500);
    const [first, second] = warnings();
    assert.match(first.message, /a failure/);
    assert.match(second.message, /onError has rejected: Error: another failure/);
  });

  own(`a client leaves while onError waits for a handler that ${kind}`, async (t) => {
    const [arrived, left] = [deferred(), deferred()];
    const { port, warnings } = serveLogged(t, (app) => {
      app.onError(async (error, res) => {
        res.onAborted(left.resolve);
        arrived.resolve();
        await left.promise;
        res.end('too late');
      });
      app.get('/', () => fail(new Error('a failure')));
      app.get('/well', (res) => res.end('well'));
    });
    const client = await connect(t, port);
    client.write(request('GET', '/'));
    await arrived.promise;
    client.reset();
    await left.promise;
    await turn();
    assert.equal((await fetch(t, port, '/well')).text, 'well');
    assert.equal(warnings().length, 1);
  });

  own(`a handler that ${kind} after its answer spoils nothing`, async (t) => {
    const { port, warnings } = serveLogged(t, (app) => {
      app.get('/', (res) => {
        res.end('answered');
        return fail(new Error('too late'));
      });
    });
    const client = await connect(t, port);
    for (let count = 0; count < 3; count++) {
      client.write(request('GET', '/'));
      assert.equal((await client.response()).text, 'answered');
    }
    await until(() => warnings().length > 0);
  });

  own(`a handler that ${kind} after content was sent has its connection cut`, async (t) => {
    const { port, warnings } = serveLogged(t, (app) => {
      app.get('/', (res) => {
        res.write('part of it');
        return fail(new Error('within it'));
      });
    });
    const client = await connect(t, port);
    client.write(request('GET', '/'));
    const bytes = (await client.ended()).toString('latin1');
    assert.equal((bytes.match(/HTTP\/1\.1 /g) ?? []).length <= 1, true);
    assert.equal(bytes.includes('\r\n0\r\n\r\n'), false, 'it looks complete');
    await until(() => warnings().length === 1);
  });

  own(`a handler that ${kind} after it announced a length has its connection cut`, async (t) => {
    const { port } = serveLogged(t, (app) => {
      app.get('/', (res) => {
        res.tryEnd('part', 100);
        return fail(new Error('within it'));
      });
    });
    const client = await connect(t, port);
    client.write(request('GET', '/'));
    const bytes = (await client.ended()).toString('latin1');
    const body = bytes.split('\r\n\r\n')[1] ?? '';
    assert.ok(body === '' || body === 'part');
  });
}

own('what was written before a failure is not in its 500', async (t) => {
  const { port } = serveLogged(t, (app) => {
    app.get('/', (res) => {
      res.writeStatus('201 Created').writeHeader('x-before', 'yes');
      throw new Error('a failure');
    });
  });
  const response = await fetch(t, port, '/');
  assert.equal(response.status, 500);
});

own('a rejection after an abort kills nothing', async (t) => {
  const arrived = deferred();
  const { port } = serveLogged(t, (app) => {
    app.get('/', async (res) => {
      const gone = new Promise((resolve) => res.onAborted(resolve));
      arrived.resolve();
      await gone;
      throw new Error('after the abort');
    });
    app.get('/well', (res) => res.end('well'));
  });
  const client = await connect(t, port);
  client.write(request('GET', '/'));
  await arrived.promise;
  client.reset();
  await turn();
  await turn();
  assert.equal((await fetch(t, port, '/well')).text, 'well');
});

for (const name of ['onData', 'onDataV2', 'collectBody']) {
  own(`a callback of ${name} that throws is answered 500`, async (t) => {
    const { port, warnings } = serveLogged(t, (app) => {
      app.post('/', (res) => {
        const callback = () => {
          throw new Error('within the callback');
        };
        if (name === 'collectBody') {
          res.collectBody(100, callback);
        } else {
          res[name](callback);
        }
      });
    });
    const client = await connect(t, port);
    client.write(request('POST', '/', {}, 'body'));
    assert.equal((await client.response()).status, 500);
    await until(() => warnings().length > 0);
  });
}

/** Callbacks that may be asynchronous, each with the request that leads to it. */
const CALLBACKS = {
  onData: (res, callback) => res.onData(callback),
  onDataV2: (res, callback) => res.onDataV2(callback),
  collectBody: (res, callback) => res.collectBody(100, callback),
  cork: (res, callback) => res.onAborted(() => {}).cork(callback),
};

for (const [name, register] of Object.entries(CALLBACKS)) {
  own(`a callback of ${name} that rejects is answered 500`, async (t) => {
    const { port, warnings } = serveLogged(t, (app) => {
      app.post('/', (res) => {
        register(res, async () => {
          await turn();
          throw new Error('within the callback');
        });
      });
    });
    const client = await connect(t, port);
    client.write(request('POST', '/', {}, 'body'));
    assert.equal((await client.response()).status, 500);
    assert.match(warnings()[0].message, /within the callback/);
    assert.equal(warnings().length, 1);
  });
}

own('a cork of a WebSocket that rejects closes it with 1011', async (t) => {
  const { port, warnings } = serveLogged(t, (app) => {
    app.ws('/*', {
      message: (ws) => {
        ws.cork(async () => {
          await turn();
          throw new Error('within cork');
        });
      },
    });
  });
  const client = await open(t, port);
  client.send('x');
  assert.equal((await client.take('close')).code, 1011);
  assert.match(warnings()[0].message, /within cork/);
});

own('what has failed hears of nothing more while onError waits', async (t) => {
  let [pieces, errors, writables] = [0, 0, 0];
  const { port } = serveLogged(t, (app) => {
    app.onError(async (error, res) => {
      errors += 1;
      await sleep(100);
      res.writeStatus('503 Later').end('from onError');
    });
    app.post('/', (res) => {
      res.onData(() => {
        pieces += 1;
        throw new Error('within onData');
      });
    });
    app.get('/writable', (res) => {
      const body = Buffer.alloc(16 * 1024 * 1024);
      res.onWritable(() => {
        writables += 1;
      });
      res.tryEnd(body, body.length);
      throw new Error('within the handler');
    });
  });
  const client = await connect(t, port);
  client.write(request('POST', '/', { 'Content-Length': 9 }));
  for (let count = 0; count < 3; count++) {
    client.write('abc');
    await sleep(10);
  }
  assert.equal((await client.response()).text, 'from onError');
  client.write(request('GET', '/writable'));
  await client.ended();
  assert.deepEqual([pieces, errors, writables], [1, 2, 0]);
});

own('a handler for aborts that throws does not keep others from it', async (t) => {
  const arrived = deferred();
  const second = deferred();
  const { port, warnings } = serveLogged(t, (app) => {
    app.get('/', (res) => {
      res.onAborted(() => {
        throw new Error('within onAborted');
      });
      res.onAborted(second.resolve);
      arrived.resolve();
    });
  });
  const client = await connect(t, port);
  client.write(request('GET', '/'));
  await arrived.promise;
  client.reset();
  await second.promise;
  await until(() => warnings().length > 0);
});

own('an upgrade handler that throws or rejects is answered 500', async (t) => {
  const { port } = serveLogged(t, (app) => {
    app.ws('/throws', {
      upgrade: () => {
        throw new Error('within upgrade');
      },
    });
    app.ws('/rejects', { upgrade: () => Promise.reject(new Error('within upgrade')) });
    app.ws('/returns', { upgrade: () => {} });
  });
  for (const path of ['/throws', '/rejects', '/returns']) {
    const client = dial(t, port, path);
    assert.equal((await client.take('refused')).status, 500, path);
  }
});

function socketThrowing(event, fail) {
  const thrower = () => fail(new Error(`within ${event}`));
  return { [event]: thrower };
}

const PROVOKE = {
  open: () => {},
  message: (client) => client.send('x'),
  ping: (client) => client.socket.ping(),
  pong: (client) => client.socket.pong(),
};

for (const [event, provoke] of Object.entries(PROVOKE)) {
  ownInBothModes(`a socket whose ${event} throws is closed with 1011`, async (t, strict) => {
    const closes = [];
    const { port, warnings } = serveLogged(t, (app) => {
      app.ws('/*', {
        ...socketThrowing(event, (error) => {
          throw error;
        }),
        close: (ws, code) => closes.push(code),
      });
    }, { strict });
    const client = await open(t, port);
    provoke(client);
    let answer = await client.event();
    if (answer.type === 'pong') {
      answer = await client.take('close');
    }
    assert.equal(answer.code, 1011);
    await until(() => warnings().length > 0 && closes.length > 0);
    assert.equal(warnings().length, 1);
    assert.match(warnings()[0].message, new RegExp(`within ${event}`));
    assert.deepEqual(closes, [1011]);
  });
}

ownInBothModes('a handler that resolves leaves the answer to an onError', async (t, strict) => {
  const [failing, resolved] = [deferred(), deferred()];
  const { port } = serveLogged(t, (app) => {
    app.onError(async (error, res) => {
      failing.resolve();
      await resolved.promise;
      await turn();
      res.writeStatus('503 Later').end('from onError');
    });
    app.get('/', async (res) => {
      res.cork(async () => {
        await turn();
        throw new Error('within cork');
      });
      await failing.promise;
      resolved.resolve();
    });
  }, { strict });
  const answer = await fetch(t, port, '/');
  assert.equal(answer.status, 503);
  assert.equal(answer.text, 'from onError');
});

ownInBothModes('onError goes on, whatever else fails meanwhile', async (t, strict) => {
  let [calls, pieces] = [0, 0];
  const [read, failing] = [deferred(), deferred()];
  const { port, warnings } = serveLogged(t, (app) => {
    app.onError(async (error, res) => {
      calls += 1;
      const whole = deferred();
      res.onData((piece, isLast) => isLast && whole.resolve(Buffer.from(piece).toString()));
      failing.resolve();
      res.writeStatus('503 Later').end(await whole.promise);
    });
    app.post('/', (res) => {
      res.onData(async () => {
        pieces += 1;
        if (pieces === 3) read.resolve();
        await read.promise;
        throw new Error(`failure ${pieces}`);
      });
      res.onAborted(() => {});
    });
  }, { strict });
  const client = await connect(t, port);
  client.write(request('POST', '/', { 'Content-Length': 12 }));
  for (let count = 1; count <= 3; count++) {
    client.write('abc');
    await until(() => pieces === count);
  }
  await failing.promise;
  await turn();
  client.write('end');
  const answer = await client.response();
  assert.equal(answer.status, 503);
  assert.equal(answer.text, 'end');
  assert.equal(calls, 1);
  assert.equal(warnings().length, 3);
});

own('onError is told of a socket that throws', async (t) => {
  const calls = [];
  let socket;
  const { port } = serveLogged(t, (app) => {
    app.onError((error, ws) => calls.push([error.message, ws === socket]));
    app.ws('/*', {
      open: (ws) => {
        socket = ws;
      },
      message: () => {
        throw new Error('within message');
      },
    });
  });
  const client = await open(t, port);
  client.send('x');
  assert.equal((await client.take('close')).code, 1011);
  assert.deepEqual(calls, [['within message', true]]);
});

own('close handlers and subscriptions that throw kill nothing', async (t) => {
  let count = 0;
  const fail = () => {
    count += 1;
    throw new Error('a failure');
  };
  const { port, warnings } = serveLogged(t, (app) => {
    app.ws('/ws', { open: (ws) => ws.subscribe('a'), close: fail, subscription: fail });
    app.get('/', (res) => res.end('well'));
  });
  const client = await open(t, port, '/ws');
  client.socket.close();
  await until(() => count >= 2);
  await until(() => warnings().length >= 2);
  assert.equal((await fetch(t, port, '/')).text, 'well');
});

own('a message handler that rejects kills nothing, and is told', async (t) => {
  const { port, warnings } = serveLogged(t, (app) => {
    app.ws('/ws', {
      message: async () => {
        await turn();
        throw new Error('within an async handler');
      },
    });
    app.get('/', (res) => res.end('well'));
  });
  const client = await open(t, port, '/ws');
  client.send('x');
  await until(() => warnings().length > 0);
  assert.match(warnings()[0].message, /within an async handler/);
  assert.equal((await fetch(t, port, '/')).text, 'well');
});

own('a filter that throws kills nothing', async (t) => {
  const { port, warnings } = serveLogged(t, (app) => {
    app.filter(() => {
      throw new Error('within a filter');
    });
    app.get('/', (res) => res.end('well'));
  });
  const client = await connect(t, port);
  client.write(request('GET', '/'));
  await until(() => warnings().length > 0);
});

own('onError and onLog want functions', (t) => {
  serveLogged(t, (app) => {
    for (const value of [1, 'text', {}, true]) {
      const message = 'Passed callback is not a valid function.';
      assert.throws(() => app.onError(value), { message });
      assert.throws(() => app.onLog(value), { message });
    }
  });
});
