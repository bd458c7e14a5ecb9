'use strict';

const assert = require('node:assert/strict');
const { both, own } = require('./support/implementation');
const { serve } = require('./support/server');
const { connect, request } = require('./support/raw');
const { deferred, until, turn } = require('./support/wait');

const CHUNKED = { 'Transfer-Encoding': 'chunked' };

function chunk(data) {
  return Buffer.concat([
    Buffer.from(`${data.length.toString(16)}\r\n`), Buffer.from(data), Buffer.from('\r\n'),
  ]);
}

/** Serves one route that collects by `onData` and answers when all is there. */
function collecting(t, after = (res, body) => res.end(body)) {
  const calls = [];
  const served = serve(t, (app) => {
    app.post('/', (res) => {
      res.onAborted(() => calls.push('aborted'));
      const parts = [];
      assert.equal(res.onData((data, isLast) => {
        assert.ok(data instanceof ArrayBuffer);
        calls.push([data.byteLength, isLast]);
        parts.push(Buffer.from(Buffer.from(data)));
        if (isLast) {
          after(res, Buffer.concat(parts));
        }
      }), res);
    });
  });
  return { ...served, calls };
}

both('onData gives a body in one piece', async (t) => {
  const { port, calls } = collecting(t);
  const client = await connect(t, port);
  client.write(request('POST', '/', {}, 'hello'));
  assert.equal((await client.response()).text, 'hello');
  assert.deepEqual(calls.at(-1)[1], true);
  assert.equal(calls.reduce((sum, [length]) => sum + length, 0), 5);
});

both('onData is called once without a body', async (t) => {
  const { port, calls } = collecting(t);
  const client = await connect(t, port);
  client.write(request('POST', '/', {}, ''));
  assert.equal((await client.response()).text, '');
  client.write(request('POST', '/'));
  assert.equal((await client.response()).text, '');
  assert.deepEqual(calls, [[0, true], [0, true]]);
});

both('onData gives what has arrived, and says when that was all', async (t) => {
  const { port, calls } = collecting(t);
  const client = await connect(t, port);
  client.write(request('POST', '/', { 'Content-Length': 6 }));
  client.write('abc');
  await until(() => calls.reduce((sum, [length]) => sum + length, 0) === 3);
  assert.ok(calls.every(([, isLast]) => !isLast));
  client.write('def');
  assert.equal((await client.response()).text, 'abcdef');
  assert.equal(calls.filter(([, isLast]) => isLast).length, 1);
});

both('onData gives chunked bodies decoded', async (t) => {
  const { port, calls } = collecting(t);
  const client = await connect(t, port);
  for (let count = 0; count < 2; count++) {
    client.write(request('POST', '/', CHUNKED));
    client.write(chunk('first '));
    client.write(chunk('second'));
    client.write('0\r\n\r\n');
    assert.equal((await client.response()).text, 'first second');
  }
  assert.equal(calls.filter(([, isLast]) => isLast).length, 2);
});

both('onData of many megabytes', async (t) => {
  const { port } = collecting(t);
  const body = Buffer.alloc(5_000_000, 'abcdefg');
  const client = await connect(t, port);
  client.write(request('POST', '/', {}, body));
  assert.ok((await client.response()).body.equals(body));
});

both('the data is detached after the callback', async (t) => {
  const kept = [];
  const { port } = serve(t, (app) => {
    app.post('/', (res) => {
      res.onAborted(() => {});
      res.onData((data, isLast) => {
        kept.push([data, data.byteLength]);
        if (isLast) {
          res.end();
        }
      });
    });
  });
  const client = await connect(t, port);
  client.write(request('POST', '/', {}, 'hello'));
  await client.response();
  assert.equal(kept.reduce((sum, [, length]) => sum + length, 0), 5);
  assert.ok(kept.every(([data]) => data.byteLength === 0));
});

both('a peer that leaves within its body aborts', async (t) => {
  const { port, calls } = collecting(t);
  const client = await connect(t, port);
  client.write(request('POST', '/', { 'Content-Length': 10 }));
  client.write('abc');
  await until(() => calls.length > 0);
  client.reset();
  await until(() => calls.includes('aborted'));
  assert.ok(calls.every(([, isLast]) => isLast !== true));
});

both('an answer before the body has come', async (t) => {
  const { port } = serve(t, (app) => app.post('/', (res) => res.end('early')));
  const client = await connect(t, port);
  client.write(request('POST', '/', {}, 'x'.repeat(1000)));
  assert.equal((await client.response()).text, 'early');
  client.write(request('POST', '/', {}, 'y'));
  assert.equal((await client.response()).text, 'early');
});

both('an answer within onData', async (t) => {
  const { port } = serve(t, (app) => {
    app.post('/', (res) => {
      res.onAborted(() => {});
      let answered = false;
      res.onData(() => {
        if (!answered) {
          answered = true;
          res.end('enough');
        }
      });
    });
  });
  const client = await connect(t, port);
  client.write(request('POST', '/', { 'Content-Length': 6 }));
  client.write('abc');
  assert.equal((await client.response()).text, 'enough');
});

both('close within onData aborts', async (t) => {
  const aborted = deferred();
  const { port } = serve(t, (app) => {
    app.post('/', (res) => {
      res.onAborted(aborted.resolve);
      res.onData(() => res.close());
    });
  });
  const client = await connect(t, port);
  client.write(request('POST', '/', {}, 'abc'));
  await client.ended();
  await aborted.promise;
});

both('onDataV2 tells how much may come', async (t) => {
  const calls = [];
  const { port } = serve(t, (app) => {
    app.post('/', (res) => {
      res.onAborted(() => {});
      let total = 0;
      assert.equal(res.onDataV2((data, remaining) => {
        total += data.byteLength;
        calls.push([total, remaining]);
        if (remaining === 0n) {
          res.end(String(total));
        }
      }), res);
    });
  });
  const client = await connect(t, port);
  client.write(request('POST', '/', { 'Content-Length': 9 }));
  client.write('abc');
  await until(() => calls.some(([total]) => total === 3));
  client.write('defghi');
  assert.equal((await client.response()).text, '9');
  for (const [total, remaining] of calls) {
    assert.equal(remaining, BigInt(9 - total));
  }
});

both('onDataV2 of a chunked body cannot tell', async (t) => {
  const calls = [];
  const { port } = serve(t, (app) => {
    app.post('/', (res) => {
      res.onAborted(() => {});
      res.onDataV2((data, remaining) => {
        calls.push(remaining);
        if (remaining === 0n) {
          res.end('done');
        }
      });
    });
  });
  const client = await connect(t, port);
  client.write(request('POST', '/', CHUNKED));
  client.write(chunk('abc'));
  await until(() => calls.length > 0);
  client.write('0\r\n\r\n');
  assert.equal((await client.response()).text, 'done');
  assert.equal(calls[0], 2n ** 64n - 1n);
  assert.equal(calls.at(-1), 0n);
});

both('onDataV2 without a body', async (t) => {
  const calls = [];
  const { port } = serve(t, (app) => {
    app.any('/', (res) => {
      res.onAborted(() => {});
      res.onDataV2((data, remaining) => {
        calls.push([data.byteLength, remaining]);
        res.end();
      });
    });
  });
  const client = await connect(t, port);
  client.write(request('GET', '/'));
  await client.response();
  assert.deepEqual(calls, [[0, 0n]]);
});

/** Serves a route that collects up to `max` bytes; what came is answered. */
function collectingUpTo(t, max) {
  const bodies = [];
  const arrived = deferred();
  const served = serve(t, (app) => {
    app.post('/', (res) => {
      arrived.resolve();
      res.onAborted(() => bodies.push('aborted'));
      assert.equal(res.collectBody(max, (body) => {
        bodies.push(body === null ? null : Buffer.from(Buffer.from(body)));
        res.end(body === null ? 'too large' : body);
      }), res);
    });
  });
  return { ...served, bodies, arrived: arrived.promise };
}

for (const [name, sent, expected] of [
  ['at its limit', 1000, 'x'.repeat(1000)],
  ['below it', 999, 'x'.repeat(999)],
  ['above it', 1001, 'too large'],
  ['without a body', 0, ''],
]) {
  both(`collectBody ${name}, in one piece`, async (t) => {
    const { port, bodies } = collectingUpTo(t, 1000);
    const client = await connect(t, port);
    client.write(request('POST', '/', {}, 'x'.repeat(sent)));
    assert.equal((await client.response()).text, expected);
    assert.equal(bodies.length, 1);
  });

  both(`collectBody ${name}, chunked`, async (t) => {
    const { port, bodies } = collectingUpTo(t, 1000);
    const client = await connect(t, port);
    client.write(request('POST', '/', CHUNKED));
    for (let at = 0; at < sent; at += 100) {
      client.write(chunk('x'.repeat(Math.min(100, sent - at))));
      await turn();
    }
    client.write('0\r\n\r\n');
    assert.equal((await client.response()).text, expected);
    assert.equal(bodies.length, 1);
  });

  both(`collectBody ${name}, in pieces`, async (t) => {
    const { port, bodies } = collectingUpTo(t, 1000);
    const client = await connect(t, port);
    client.write(request('POST', '/', { 'Content-Length': sent }));
    for (let at = 0; at < sent; at += 100) {
      client.write('x'.repeat(Math.min(100, sent - at)));
      await turn();
    }
    assert.equal((await client.response()).text, expected);
    assert.equal(bodies.length, 1);
  });
}

both('collectBody of what was not collected does not call back', async (t) => {
  const { port, bodies, arrived } = collectingUpTo(t, 1000);
  const client = await connect(t, port);
  client.write(request('POST', '/', { 'Content-Length': 10 }));
  client.write('abc');
  await arrived;
  client.reset();
  await until(() => bodies.length > 0);
  assert.deepEqual(bodies, ['aborted']);
});

both('a connection goes on after a body that was too large', async (t) => {
  const { port } = collectingUpTo(t, 10);
  const client = await connect(t, port);
  client.write(request('POST', '/', {}, 'x'.repeat(5000)));
  assert.equal((await client.response()).text, 'too large');
  client.write(request('POST', '/', {}, 'small'));
  assert.equal((await client.response()).text, 'small');
});

both('pause holds a body back, and resume lets it go on', async (t) => {
  const total = 8_000_000;
  let received = 0;
  let response;
  const { port } = serve(t, (app) => {
    app.post('/', (res) => {
      response = res;
      res.onAborted(() => {});
      res.onData((data, isLast) => {
        received += data.byteLength;
        if (isLast) {
          res.end(String(received));
        }
      });
      res.pause();
    });
  });
  const client = await connect(t, port);
  client.write(request('POST', '/', {}, Buffer.alloc(total)));
  await until(() => response);
  for (let count = 0; count < 50; count++) {
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  assert.ok(received < total, 'all of it came while paused');
  response.resume();
  assert.equal((await client.response()).text, String(total));
});

both('Expect: 100-continue is answered', async (t) => {
  const { port } = collecting(t);
  const client = await connect(t, port);
  client.write(request('POST', '/', { 'Content-Length': 5, Expect: '100-continue' }));
  assert.equal((await client.head()).status, 100);
  client.write('hello');
  assert.equal((await client.response()).text, 'hello');
});

own('a body waits until somebody asks, after an await', async (t) => {
  for (const ask of ['onData', 'onDataV2', 'collectBody']) {
    const { port } = serve(t, (app) => {
      app.post('/', async (res) => {
        await new Promise((resolve) => setTimeout(resolve, 10));
        if (ask === 'collectBody') {
          res.collectBody(100, (body) => res.end(body));
          return;
        }
        const parts = [];
        res[ask]((data, last) => {
          parts.push(Buffer.from(Buffer.from(data)));
          if (last === true || last === 0n) {
            res.end(Buffer.concat(parts));
          }
        });
      });
    });
    const client = await connect(t, port);
    for (const fields of [{ 'Content-Length': 5 }, CHUNKED]) {
      client.write(request('POST', '/', fields));
      client.write(fields === CHUNKED ? Buffer.concat([chunk('hello'), chunk('')]) : 'hello');
      assert.equal((await client.response()).text, 'hello', ask);
    }
  }
});

own('what was sent beyond a body is the next request, after an await too', async (t) => {
  const { port } = serve(t, (app) => {
    app.post('/', async (res) => {
      await turn();
      res.collectBody(100, (body) => res.end(body));
    });
  });
  const client = await connect(t, port);
  client.write(Buffer.concat(['one', 'two', 'three'].map((body) => {
    return request('POST', '/', {}, body);
  })));
  for (const body of ['one', 'two', 'three']) {
    assert.equal((await client.response()).text, body);
  }
});

own('callbacks and limits for bodies are checked', async (t) => {
  const errors = [];
  const { port } = serve(t, (app) => {
    app.post('/', (res) => {
      const attempts = [
        () => res.onData(), () => res.onData(null), () => res.onDataV2({}),
        () => res.collectBody(10), () => res.collectBody(10, 'text'),
        () => res.onAborted(), () => res.onWritable(1), () => res.cork(),
      ];
      for (const attempt of attempts) {
        try {
          attempt();
          errors.push('nothing');
        } catch (error) {
          errors.push(error.message);
        }
      }
      res.end();
    });
  });
  const client = await connect(t, port);
  client.write(request('POST', '/', {}, 'x'));
  await client.response();
  assert.deepEqual(errors, Array(8).fill('Passed callback is not a valid function.'));
});

own('collectBody wants a number of bytes', async (t) => {
  let errors;
  const { port } = serve(t, (app) => {
    app.post('/', (res) => {
      errors = [-1, NaN, 'x', undefined].map((max) => {
        try {
          res.collectBody(max, () => {});
        } catch (error) {
          return error instanceof RangeError || error instanceof TypeError;
        }
        return false;
      });
      res.end();
    });
  });
  const client = await connect(t, port);
  client.write(request('POST', '/', {}, 'x'));
  await client.response();
  assert.deepEqual(errors, [true, true, true, true]);
});
