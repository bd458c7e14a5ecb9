'use strict';

const assert = require('node:assert/strict');
const { both, own } = require('./support/implementation');
const { serve } = require('./support/server');
const { connect, request } = require('./support/raw');
const { deferred, until, turn } = require('./support/wait');

const LARGE_BYTES = 24 * 1024 * 1024;

/** Bytes of which each four are different from the others. */
function pattern(length) {
  const words = new Uint32Array(length / 4);
  for (let at = 0; at < words.length; at++) {
    words[at] = Math.imul(at, 2654435761);
  }
  return Buffer.from(words.buffer);
}

both('tryEnd of what fits is a whole answer', async (t) => {
  const results = [];
  const { port } = serve(t, (app) => {
    app.get('/', (res) => results.push(res.tryEnd('hello', 5)));
  });
  const client = await connect(t, port);
  for (let count = 0; count < 2; count++) {
    client.write(request('GET', '/'));
    const response = await client.response();
    assert.equal(response.header('content-length'), '5');
    assert.equal(response.text, 'hello');
  }
  assert.deepEqual(results, [[true, true], [true, true]]);
});

both('tryEnd in pieces', async (t) => {
  const results = [];
  const { port } = serve(t, (app) => {
    app.get('/', (res) => {
      res.onAborted(() => {});
      results.push(res.tryEnd('first', 11), res.getWriteOffset());
      results.push(res.tryEnd('second', 11));
    });
  });
  const client = await connect(t, port);
  client.write(request('GET', '/'));
  const response = await client.response();
  assert.equal(response.header('content-length'), '11');
  assert.equal(response.text, 'firstsecond');
  assert.deepEqual(results, [[true, false], 5, [true, true]]);
});

both('tryEnd with status and headers', async (t) => {
  const { port } = serve(t, (app) => {
    app.get('/', (res) => res.writeStatus('206 Partial').writeHeader('a', 'b').tryEnd('x', 1));
  });
  const client = await connect(t, port);
  client.write(request('GET', '/'));
  const response = await client.response();
  assert.equal(response.statusLine, 'HTTP/1.1 206 Partial');
  assert.equal(response.header('a'), 'b');
});

both('tryEnd and onWritable bring many megabytes to a slow reader', async (t) => {
  const body = pattern(LARGE_BYTES);
  const events = [];
  const { port } = serve(t, (app) => {
    app.get('/', (res) => {
      res.onAborted(() => events.push('aborted'));
      const [ok, done] = res.tryEnd(body, body.length);
      events.push([ok, done]);
      res.onWritable((offset) => {
        assert.equal(offset, res.getWriteOffset());
        const [ok, done] = res.tryEnd(body.subarray(offset), body.length);
        events.push([ok, done]);
        return ok;
      });
    });
  });
  const client = await connect(t, port);
  client.socket.pause();
  client.write(request('GET', '/'));
  await until(() => events.length > 0);
  client.socket.resume();
  const response = await client.response();
  assert.equal(response.header('content-length'), String(LARGE_BYTES));
  assert.ok(response.body.equals(body));
  assert.deepEqual(events[0], [false, false]);
  assert.ok(events.length > 1);
  assert.deepEqual(events.at(-1), [true, true]);
  client.write(request('GET', '/'));
  assert.ok((await client.response()).body.equals(body));
});

both('onWritable at the end of a file read in pieces', async (t) => {
  const body = pattern(LARGE_BYTES);
  const { port } = serve(t, (app) => {
    app.get('/', (res) => {
      res.onAborted(() => {});
      let at = 0;
      let piece;
      let from;
      const next = () => {
        while (at < body.length) {
          from = at;
          piece = body.subarray(at, at + 1_000_000);
          at += piece.length;
          const [ok, done] = res.tryEnd(piece, body.length);
          if (done || !ok) {
            return;
          }
        }
      };
      res.onWritable((offset) => {
        const [ok, done] = res.tryEnd(piece.subarray(offset - from), body.length);
        if (ok && !done) {
          next();
        }
        return ok;
      });
      next();
    });
  });
  const client = await connect(t, port);
  client.write(request('GET', '/'));
  assert.ok((await client.response()).body.equals(body));
});

both('write under backpressure tells of it, and loses nothing', async (t) => {
  const piece = pattern(1_000_000);
  const results = [];
  let drained = 0;
  const { port } = serve(t, (app) => {
    app.get('/', (res) => {
      res.onAborted(() => {});
      res.onWritable(() => {
        drained += 1;
        if (drained === 1) {
          res.end('end');
        }
        return true;
      });
      for (let count = 0; count < 12; count++) {
        results.push(res.write(piece));
      }
    });
  });
  const client = await connect(t, port);
  client.socket.pause();
  client.write(request('GET', '/'));
  await until(() => results.length === 12);
  assert.ok(results.includes(false));
  client.socket.resume();
  const response = await client.response();
  const whole = Buffer.concat([...Array(12).fill(piece), Buffer.from('end')]);
  assert.ok(response.body.equals(whole));
  assert.ok(drained >= 1);
});

both('end of many megabytes reaches a slow reader', async (t) => {
  const body = pattern(8 * 1024 * 1024);
  const { port } = serve(t, (app) => app.get('/', (res) => res.end(body)));
  const client = await connect(t, port);
  client.socket.pause();
  client.write(request('GET', '/'));
  client.socket.resume();
  assert.ok((await client.response()).body.equals(body));
});

both('a reader that leaves aborts the answer', async (t) => {
  const body = pattern(LARGE_BYTES);
  const aborted = deferred();
  const begun = deferred();
  const { port } = serve(t, (app) => {
    app.get('/', (res) => {
      res.onAborted(aborted.resolve);
      res.onWritable((offset) => res.tryEnd(body.subarray(offset), body.length)[0]);
      assert.deepEqual(res.tryEnd(body, body.length), [false, false]);
      begun.resolve();
    });
  });
  const client = await connect(t, port);
  client.socket.pause();
  client.write(request('GET', '/'));
  await begun.promise;
  client.reset();
  await aborted.promise;
});

own('tryEnd with more than was announced cuts nothing in two answers', async (t) => {
  const { port } = serve(t, (app) => {
    app.onLog(() => {});
    app.get('/', (res) => {
      res.onAborted(() => {});
      res.tryEnd('0123456789', 4);
    });
  });
  const client = await connect(t, port);
  client.write(request('GET', '/', { Connection: 'close' }));
  const bytes = (await client.ended()).toString('latin1');
  const heads = bytes.match(/HTTP\/1\.1 /g) ?? [];
  assert.ok(heads.length <= 1);
  if (heads.length === 1) {
    const [head, body] = bytes.split('\r\n\r\n');
    const length = Number(/content-length: (\d+)/i.exec(head)[1]);
    assert.ok(body.length <= length);
  }
});

both('onWritable and onAborted return the response', async (t) => {
  const { port } = serve(t, (app) => {
    app.get('/', (res) => {
      const results = [
        res.onWritable(() => true), res.onAborted(() => {}), res.onData(() => {}),
      ];
      res.end(String(results.every((result) => result === res)));
    });
  });
  const client = await connect(t, port);
  client.write(request('GET', '/'));
  assert.equal((await client.response()).text, 'true');
});

/** When who listens for the abort says so. */
const LISTENS = {
  'beforehand': (res, tryEnd, listen) => {
    listen();
    tryEnd();
  },
  'afterwards': (res, tryEnd, listen) => {
    tryEnd();
    assert.equal(res.aborted, true);
    listen();
  },
};

for (const [when, leave] of Object.entries(LISTENS)) {
  own(`tryEnd finds out that its reader has left, and who listened ${when} is told`, async (t) => {
    const body = pattern(LARGE_BYTES);
    const left = deferred();
    let told = 0;
    let client;
    const { port } = serve(t, (app) => {
      app.get('/', (res) => {
        client.reset();
        const tryEnd = () => assert.deepEqual(res.tryEnd(body, body.length), [true, true]);
        const listen = () => res.onAborted(() => {
          told += 1;
          left.resolve();
        });
        leave(res, tryEnd, listen);
      });
    });
    client = await connect(t, port);
    client.write(request('GET', '/'));
    await left.promise;
    await turn();
    assert.equal(told, 1);
  });
}
