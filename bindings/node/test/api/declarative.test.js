'use strict';

const assert = require('node:assert/strict');
const { uws, both, own } = require('./support/implementation');
const { serve } = require('./support/server');
const { connect, request, fetch } = require('./support/raw');

const { DeclarativeResponse } = uws;

both('programs are bytes', () => {
  const program = new DeclarativeResponse()
    .writeStatus('201 Created')
    .writeHeader('a', 'bc')
    .writeBody()
    .writeQueryValue('q')
    .writeHeaderValue('h')
    .write('text')
    .writeParameterValue('p')
    .end('end');
  assert.ok(program instanceof ArrayBuffer);
  const expected = [
    7, 11, ...Buffer.from('201 Created'),
    1, 1, 97, 2, 98, 99,
    2,
    3, 1, 113,
    4, 1, 104,
    5, 4, 0, ...Buffer.from('text'),
    6, 1, 112,
    0, 3, 0, ...Buffer.from('end'),
  ];
  assert.deepEqual([...new Uint8Array(program)], expected);
});

both('each call of a program returns it', () => {
  const program = new DeclarativeResponse();
  assert.equal(program.writeStatus('200 OK'), program);
  assert.equal(program.writeHeader('a', 'b'), program);
  assert.equal(program.writeBody(), program);
  assert.equal(program.writeQueryValue('a'), program);
  assert.equal(program.writeHeaderValue('a'), program);
  assert.equal(program.write('a'), program);
  assert.equal(program.writeParameterValue('a'), program);
});

both('short lengths have 8 bits', () => {
  const exceeds = { name: 'RangeError', message: 'Data length exceeds 255' };
  const just = 'x'.repeat(255);
  const over = 'x'.repeat(256);
  const program = new DeclarativeResponse();
  program.writeHeader(just, just).writeStatus(just).writeQueryValue(just);
  program.writeHeaderValue(just).writeParameterValue(just);
  assert.throws(() => program.writeHeader(over, 'a'), exceeds);
  assert.throws(() => program.writeHeader('a', over), exceeds);
  assert.throws(() => program.writeStatus(over), exceeds);
  assert.throws(() => program.writeQueryValue(over), exceeds);
  assert.throws(() => program.writeHeaderValue(over), exceeds);
  assert.throws(() => program.writeParameterValue(over), exceeds);
});

both('long lengths have 16 bits', () => {
  const exceeds = { name: 'RangeError', message: 'Data length exceeds 65535' };
  const program = new DeclarativeResponse().write('x'.repeat(65535));
  assert.throws(() => program.write('x'.repeat(65536)), exceeds);
  assert.throws(() => program.end('x'.repeat(65536)), exceeds);
  assert.throws(() => new DeclarativeResponse().write('\u20ac'.repeat(21846)), exceeds);
  assert.equal(new DeclarativeResponse().end('x'.repeat(65535)).byteLength, 65538);
});

both('values are every kind of string', () => {
  const bytes = new TextEncoder().encode('value');
  const shared = new Uint8Array(new SharedArrayBuffer(5));
  shared.set(bytes);
  const expected = new DeclarativeResponse().end('value');
  for (const value of [bytes, bytes.buffer, Buffer.from('value'), new DataView(bytes.buffer),
    shared, shared.buffer]) {
    assert.deepEqual(new DeclarativeResponse().end(value), expected);
  }
  assert.equal(new DeclarativeResponse().end().byteLength, 3);
});

both('a program that ends is a plain answer', async (t) => {
  const { port } = serve(t, (app) => {
    app.get('/', new DeclarativeResponse().writeHeader('X-A', 'b').end('hello'));
  });
  const client = await connect(t, port);
  for (let count = 0; count < 3; count++) {
    client.write(request('GET', '/'));
    const response = await client.response();
    assert.equal(response.statusLine, 'HTTP/1.1 200 OK');
    assert.equal(response.header('x-a'), 'b');
    assert.equal(response.header('content-length'), '5');
    assert.equal(response.text, 'hello');
  }
});

both('a program of every instruction', async (t) => {
  const { port } = serve(t, (app) => {
    app.any('/:p', new DeclarativeResponse()
      .writeStatus('202 Accepted')
      .writeHeader('x-first', '1')
      .writeHeader('x-second', '2')
      .write('query ')
      .writeQueryValue('q')
      .write(' header ')
      .writeHeaderValue('x-h')
      .write(' parameter ')
      .writeParameterValue('p')
      .end(' end'));
  });
  const client = await connect(t, port);
  for (const method of ['GET', 'POST']) {
    client.write(request(method, '/value?q=a%20b', { 'X-H': 'text' }));
    const response = await client.response();
    assert.equal(response.status, 202);
    assert.deepEqual([response.header('x-first'), response.header('x-second')], ['1', '2']);
    assert.equal(response.text, 'query a b header text parameter value end');
  }
});

both('values that are not there are empty', async (t) => {
  const { port } = serve(t, (app) => {
    app.get('/:p', new DeclarativeResponse()
      .write('[').writeQueryValue('q').writeHeaderValue('h').writeParameterValue('none').end(']'));
  });
  assert.equal((await fetch(t, port, '/x')).text, '[]');
  assert.equal((await fetch(t, port, '/x?other=1')).text, '[]');
});

both('a program without end data', async (t) => {
  const { port } = serve(t, (app) => {
    app.get('/', new DeclarativeResponse().writeStatus('204 No Content').end());
    app.get('/more', new DeclarativeResponse().write('more').end());
  });
  assert.equal((await fetch(t, port, '/')).status, 204);
  assert.equal((await fetch(t, port, '/more')).text, 'more');
});

both('a program of the longest text', async (t) => {
  const long = 'x'.repeat(65535);
  const { port } = serve(t, (app) => app.get('/', new DeclarativeResponse().write(long).end(long)));
  assert.equal((await fetch(t, port, '/')).text, long + long);
});

both('a program is replaced by a handler, and removed', async (t) => {
  const { app, port } = serve(t, (app) => {
    app.get('/', new DeclarativeResponse().end('program'));
    app.any('/*', (res) => res.end('any'));
  });
  assert.equal((await fetch(t, port, '/')).text, 'program');
  app.get('/', (res) => res.end('handler'));
  assert.equal((await fetch(t, port, '/')).text, 'handler');
  app.get('/', new DeclarativeResponse().end('again'));
  assert.equal((await fetch(t, port, '/')).text, 'again');
  app.get('/', null);
  assert.equal((await fetch(t, port, '/')).text, 'any');
});

own('changing the bytes later changes nothing', async (t) => {
  const program = new DeclarativeResponse().end('before');
  const { port } = serve(t, (app) => app.get('/', program));
  new Uint8Array(program).fill(255);
  assert.equal((await fetch(t, port, '/')).text, 'before');
});

own('bytes that are no program are refused, or answered 500', async (t) => {
  const programs = [[], [9], [0], [0, 5, 0, 1], [1, 3, 97], [1, 1, 97], [7, 200], [5, 255, 255],
    [3], [2], [2, 2, 2], [255, 255]];
  for (const bytes of programs) {
    const program = new Uint8Array(bytes).buffer;
    let served;
    try {
      served = serve(t, (app) => {
        app.onLog(() => {});
        app.get('/', program);
      });
    } catch (error) {
      assert.ok(error instanceof Error);
      continue;
    }
    const client = await connect(t, served.port);
    client.write(request('GET', '/', { Connection: 'close' }));
    const answer = (await client.ended()).toString('latin1');
    assert.match(answer, /^HTTP\/1\.1 (200|500) /, `program ${bytes}`);
  }
});
