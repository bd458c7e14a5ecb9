'use strict';

const assert = require('node:assert/strict');
const { uws, both, own } = require('./support/implementation');
const { serve } = require('./support/server');
const { connect, request, fetch } = require('./support/raw');

/** What is answered by `handler`. */
async function answered(t, handler, options) {
  const { port } = serve(t, (app) => app.any('/*', handler));
  return fetch(t, port, '/', options);
}

both('end with a body', async (t) => {
  const response = await answered(t, (res) => assert.equal(res.end('hello'), res));
  assert.equal(response.statusLine, 'HTTP/1.1 200 OK');
  assert.equal(response.header('content-length'), '5');
  assert.equal(response.header('transfer-encoding'), undefined);
  assert.equal(response.header('connection'), undefined);
  assert.match(response.header('date'), /^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$/);
  assert.equal(response.text, 'hello');
});

both('end without a body', async (t) => {
  for (const parameters of [[], [undefined], ['']]) {
    const response = await answered(t, (res) => res.end(...parameters));
    assert.equal(response.status, 200);
    assert.equal(response.header('content-length'), '0');
  }
});

both('an empty answer keeps the connection', async (t) => {
  const { port } = serve(t, (app) => app.get('/', (res) => res.end()));
  const client = await connect(t, port);
  for (let count = 0; count < 3; count++) {
    client.write(request('GET', '/'));
    assert.equal((await client.response()).header('content-length'), '0');
  }
});

both('writeStatus and writeHeader', async (t) => {
  const response = await answered(t, (res) => {
    assert.equal(res.writeStatus('404 Not Here'), res);
    assert.equal(res.writeHeader('X-First', 'one'), res);
    assert.equal(res.writeHeader('x-second', ''), res);
    assert.equal(res.writeHeader('x-second', 'two, three'), res);
    res.end('gone');
  });
  assert.equal(response.statusLine, 'HTTP/1.1 404 Not Here');
  const own = response.fields.filter(([key]) => key.toLowerCase().startsWith('x-'));
  assert.deepEqual(own, [['X-First', 'one'], ['x-second', ''], ['x-second', 'two, three']]);
  assert.equal(response.text, 'gone');
});

both('every class of status', async (t) => {
  const { port } = serve(t, (app) => {
    app.get('/:status', (res, req) => {
      res.writeStatus(decodeURIComponent(req.getParameter(0))).end('x');
    });
  });
  for (const status of ['200 OK', '201 Created', '302 Found', '418 I\'m a teapot', '599 Mine']) {
    const response = await fetch(t, port, `/${encodeURIComponent(status)}`);
    assert.equal(response.statusLine, `HTTP/1.1 ${status}`);
  }
});

both('the first status counts', async (t) => {
  const response = await answered(t, (res) => {
    res.writeStatus('201 Created').writeStatus('202 Accepted').end();
  });
  assert.equal(response.status, 201);
});

own('a status may come after a header', async (t) => {
  const response = await answered(t, (res) => {
    res.writeHeader('x-a', 'b').writeStatus('404 Not Found').end();
  });
  assert.equal(response.status, 404);
  assert.equal(response.header('x-a'), 'b');
});

both('values are every kind of string', async (t) => {
  const bytes = new TextEncoder().encode('bytes');
  const response = await answered(t, (res) => {
    res.writeStatus(new TextEncoder().encode('202 Accepted').buffer);
    res.writeHeader(Buffer.from('x-a'), new DataView(bytes.buffer));
    res.end(bytes.subarray(1, 3));
  });
  assert.equal(response.statusLine, 'HTTP/1.1 202 Accepted');
  assert.equal(response.header('x-a'), 'bytes');
  assert.equal(response.text, 'yt');
});

both('end may close the connection', async (t) => {
  const { port } = serve(t, (app) => app.get('/', (res) => res.end('last', true)));
  const client = await connect(t, port);
  client.write(request('GET', '/'));
  const response = await client.response();
  assert.equal(response.text, 'last');
  assert.equal(response.header('connection'), 'close');
  assert.equal((await client.ended()).length, 0);
});

both('a client that asks for it has its connection closed', async (t) => {
  const { port } = serve(t, (app) => app.get('/', (res) => res.end('last')));
  const client = await connect(t, port);
  client.write(request('GET', '/', { Connection: 'close' }));
  assert.equal((await client.response()).text, 'last');
  assert.equal((await client.ended()).length, 0);
});

both('endWithoutBody with a length that is told only', async (t) => {
  const { port } = serve(t, (app) => {
    app.head('/', (res) => assert.equal(res.endWithoutBody(1234), res));
  });
  const client = await connect(t, port);
  for (let count = 0; count < 2; count++) {
    client.write(request('HEAD', '/'));
    const response = await client.response({ bodiless: true });
    assert.equal(response.status, 200);
    assert.equal(response.header('content-length'), '1234');
  }
});

both('endWithoutBody without a length', async (t) => {
  const { port } = serve(t, (app) => {
    app.get('/', (res) => res.writeStatus('204 No Content').endWithoutBody());
  });
  const client = await connect(t, port);
  for (let count = 0; count < 2; count++) {
    client.write(request('GET', '/'));
    const response = await client.response();
    assert.equal(response.status, 204);
    assert.equal(response.header('content-length'), undefined);
  }
});

both('endWithoutBody may close the connection', async (t) => {
  const { port } = serve(t, (app) => app.head('/', (res) => res.endWithoutBody(9, true)));
  const client = await connect(t, port);
  client.write(request('HEAD', '/'));
  const response = await client.response({ bodiless: true });
  assert.equal(response.header('connection'), 'close');
  assert.equal((await client.ended()).length, 0);
});

own('HEAD, 204 and 304 carry no body', async (t) => {
  const { port } = serve(t, (app) => {
    app.any('/:status', (res, req) => {
      res.writeStatus(`${req.getParameter(0)} Status`).end('a body');
    });
  });
  const client = await connect(t, port);
  const cases = [['HEAD', '200'], ['GET', '204'], ['GET', '304'], ['HEAD', '404']];
  for (const [method, status] of cases) {
    client.write(request(method, `/${status}`));
    const response = await client.response({ bodiless: true });
    assert.equal(response.status, Number(status));
  }
  client.write(request('GET', '/200'));
  assert.equal((await client.response()).text, 'a body');
});

both('write is chunked', async (t) => {
  const { port } = serve(t, (app) => {
    app.get('/', (res) => {
      assert.equal(res.write('first'), true);
      assert.equal(res.write(''), true);
      assert.equal(res.write(Buffer.from('second')), true);
      res.end('third');
    });
  });
  const client = await connect(t, port);
  for (let count = 0; count < 2; count++) {
    client.write(request('GET', '/'));
    const response = await client.response();
    assert.equal(response.header('transfer-encoding'), 'chunked');
    assert.deepEqual(response.chunks.map(String), ['first', 'second', 'third']);
  }
});

both('a chunked answer may end without more', async (t) => {
  const response = await answered(t, (res) => {
    res.writeStatus('202 Accepted').writeHeader('x-a', 'b');
    res.write('only');
    res.end();
  });
  assert.equal(response.statusLine, 'HTTP/1.1 202 Accepted');
  assert.equal(response.header('x-a'), 'b');
  assert.deepEqual(response.chunks.map(String), ['only']);
});

own('each write is a complete chunk at once', async (t) => {
  const responses = [];
  const { port } = serve(t, (app) => {
    app.get('/', (res) => {
      res.onAborted(() => {});
      responses.push(res);
      res.write('first');
    });
  });
  const client = await connect(t, port);
  client.write(request('GET', '/'));
  assert.equal((await client.head()).status, 200);
  assert.equal((await client.chunk()).toString(), 'first');
  responses[0].write('second');
  assert.equal((await client.chunk()).toString(), 'second');
  responses[0].end();
  assert.equal((await client.chunk()).length, 0);
});

own('beginWrite sends the head at once, and the body follows in chunks', async (t) => {
  let response;
  const { port } = serve(t, (app) => {
    app.get('/', (res) => {
      response = res;
      res.onAborted(() => {});
      assert.equal(res.writeHeader('a', 'b').beginWrite(), res);
    });
  });
  const client = await connect(t, port);
  client.write(request('GET', '/'));
  const head = await client.head();
  assert.equal(head.header('a'), 'b');
  assert.equal(head.header('transfer-encoding'), 'chunked');
  response.write('first');
  assert.equal((await client.chunk()).toString(), 'first');
  response.end();
  assert.equal((await client.chunk()).length, 0);
});

both('getWriteOffset counts the bytes of the body', async (t) => {
  const offsets = [];
  await answered(t, (res) => {
    res.onAborted(() => {});
    offsets.push(res.getWriteOffset());
    res.tryEnd('12345', 9);
    offsets.push(res.getWriteOffset());
    res.tryEnd('\u20ac', 9);
    offsets.push(res.getWriteOffset());
    res.tryEnd('x', 9);
  });
  assert.deepEqual(offsets, [0, 5, 8]);
});

both('cork runs its callback at once, and returns the response', async (t) => {
  const response = await answered(t, (res) => {
    let ran = 0;
    assert.equal(res.cork(() => {
      ran += 1;
      res.writeStatus('201 Created').writeHeader('a', 'b').end('corked');
    }), res);
    assert.equal(ran, 1);
  });
  assert.equal(response.status, 201);
  assert.equal(response.text, 'corked');
});

both('collect is cork by another name', async (t) => {
  const response = await answered(t, (res) => {
    res.collect(() => res.end('collected'));
  });
  assert.equal(response.text, 'collected');
});

both('what the callback of cork throws comes out of it', async (t) => {
  const response = await answered(t, (res) => {
    let message = 'nothing';
    try {
      res.cork(() => {
        throw new Error('thrown inside');
      });
    } catch (error) {
      message = error.message;
    }
    res.end(message);
  });
  assert.equal(response.text, 'thrown inside');
});

both('cork inside of cork', async (t) => {
  const response = await answered(t, (res) => {
    res.cork(() => res.cork(() => res.cork(() => res.end('deep'))));
  });
  assert.equal(response.text, 'deep');
});

own('cork after an await', async (t) => {
  const response = await answered(t, async (res) => {
    await null;
    res.cork(() => {
      res.writeStatus('202 Accepted').writeHeader('a', 'b').end('later');
    });
  });
  assert.equal(response.statusLine, 'HTTP/1.1 202 Accepted');
  assert.equal(response.text, 'later');
});

both('an answer from a timer', async (t) => {
  const response = await answered(t, (res) => {
    let aborted = false;
    res.onAborted(() => {
      aborted = true;
    });
    setTimeout(() => aborted || res.cork(() => res.writeHeader('a', 'b').end('later')), 1);
  });
  assert.equal(response.text, 'later');
  assert.equal(response.header('a'), 'b');
});

both('pipelined requests are answered in order', async (t) => {
  const { port } = serve(t, (app) => app.get('/:n', (res, req) => res.end(req.getParameter(0))));
  const client = await connect(t, port);
  const numbers = Array.from({ length: 100 }, (_, number) => String(number));
  client.write(Buffer.concat(numbers.map((number) => request('GET', `/${number}`))));
  for (const number of numbers) {
    assert.equal((await client.response()).text, number);
  }
});

own('pipelined requests behind a pending answer wait for it', async (t) => {
  const { port } = serve(t, (app) => {
    app.get('/now', (res) => res.end('now'));
    app.get('/later', async (res) => {
      await new Promise((resolve) => setTimeout(resolve, 5));
      res.end('later');
    });
  });
  const client = await connect(t, port);
  client.write(Buffer.concat(['/later', '/now', '/later'].map((path) => request('GET', path))));
  assert.equal((await client.response()).text, 'later');
  assert.equal((await client.response()).text, 'now');
  assert.equal((await client.response()).text, 'later');
});

both('close cuts the connection, and aborts', async (t) => {
  let aborted = 0;
  const { port } = serve(t, (app) => {
    app.get('/', (res) => {
      res.onAborted(() => {
        aborted += 1;
      });
      assert.equal(res.close(), res);
    });
  });
  const client = await connect(t, port);
  client.write(request('GET', '/'));
  assert.equal((await client.ended()).length, 0);
  assert.equal(aborted, 1);
});

both('addresses of the client', async (t) => {
  let seen;
  const { port } = serve(t, (app) => {
    app.get('/', (res) => {
      seen = {
        address: Buffer.from(res.getRemoteAddress()),
        text: Buffer.from(res.getRemoteAddressAsText()).toString(),
        port: res.getRemotePort(),
        proxied: res.getProxiedRemoteAddress().byteLength,
        proxiedText: res.getProxiedRemoteAddressAsText().byteLength,
        isBuffer: res.getRemoteAddress() instanceof ArrayBuffer,
      };
      res.end();
    });
  });
  const client = await connect(t, { port, host: '127.0.0.1', localAddress: '127.0.0.5' });
  client.write(request('GET', '/'));
  await client.response();
  assert.equal(seen.address.toString('hex'), '00000000000000000000ffff7f000005');
  assert.equal(seen.text, '0000:0000:0000:0000:0000:ffff:7f00:0005');
  assert.equal(seen.port, client.socket.localPort);
  assert.equal(seen.proxied, 0);
  assert.equal(seen.proxiedText, 0);
  assert.equal(seen.isBuffer, true);
});

both('addresses on a listener of IPv4 have four bytes', async (t) => {
  let seen;
  const { port } = serve(t, (app) => {
    app.get('/', (res) => {
      seen = [
        Buffer.from(res.getRemoteAddress()).toString('hex'),
        Buffer.from(res.getRemoteAddressAsText()).toString(),
      ];
      res.end();
    });
  }, undefined, '127.0.0.1');
  await fetch(t, port, '/');
  assert.deepEqual(seen, ['7f000001', '127.0.0.1']);
});

both('a response takes properties of the user', async (t) => {
  const response = await answered(t, (res) => {
    res.mine = 'kept';
    res.aborted = false;
    res.end(res.mine);
  });
  assert.equal(response.text, 'kept');
});

own('there is no mark in the headers', async (t) => {
  const response = await answered(t, (res) => res.end());
  assert.equal(response.header('uwebsockets'), undefined);
  const names = response.fields.map(([key]) => key.toLowerCase()).sort();
  assert.deepEqual(names, ['content-length', 'date']);
});

own('values that would split a response are refused', async (t) => {
  const { port } = serve(t, (app) => {
    app.onLog(() => {});
    app.get('/:case', (res, req) => {
      const name = req.getParameter(0);
      if (name === 'value') {
        res.writeHeader('x-a', 'b\r\nx-evil: 1');
      } else if (name === 'name') {
        res.writeHeader('x-a: b\r\nx-evil', '1');
      } else {
        res.writeStatus('200 OK\r\nx-evil: 1');
      }
      res.end('body');
    });
  });
  for (const path of ['/value', '/name', '/status']) {
    const client = await connect(t, port);
    client.write(request('GET', path, { Connection: 'close' }));
    const bytes = (await client.ended()).toString('latin1');
    assert.doesNotMatch(bytes, /^x-evil/m, path);
    assert.match(bytes, /^HTTP\/1\.1 [2-5]\d\d /, path);
  }
});

own('HEAD without a route of its own is answered by that of GET, without the body', async (t) => {
  const { port } = serve(t, (app) => app.get('/', (res) => res.end('body')));
  const client = await connect(t, port);
  for (let count = 0; count < 2; count++) {
    client.write(request('HEAD', '/'));
    const response = await client.response({ bodiless: true });
    assert.equal(response.status, 200);
    assert.equal(response.header('content-length'), '4');
  }
});

both('a large body', async (t) => {
  const body = Buffer.alloc(3_000_000, 'abcdefghij');
  const response = await answered(t, (res) => res.end(body));
  assert.equal(response.header('content-length'), '3000000');
  assert.ok(response.body.equals(body));
});

both('strings are UTF-8, of any length', async (t) => {
  for (const text of ['\u00e9\u20ac\u{1f600}', 'x'.repeat(200_000), '\u20ac'.repeat(100_000)]) {
    const response = await answered(t, (res) => res.end(text));
    assert.equal(response.text, text);
  }
});

both('responses are no plain objects, and have their class\'s name', async (t) => {
  let names;
  const { port } = serve(t, (app) => {
    app.get('/', (res, req) => {
      names = [res, req, app].map((object) => object.constructor.name);
      res.end();
    });
  });
  await fetch(t, port, '/');
  assert.deepEqual(names, ['uWS.HttpResponse', 'uWS.HttpRequest', 'uWS.App']);
  assert.ok(uws.App);
});
