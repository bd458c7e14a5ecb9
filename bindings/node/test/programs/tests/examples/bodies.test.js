'use strict';

const assert = require('node:assert/strict');
const { createHash, randomBytes } = require('node:crypto');
const { once } = require('node:events');
const http = require('node:http');
const { Readable } = require('node:stream');
const test = require('node:test');
const { setTimeout: wait } = require('node:timers/promises');
const { start } = require('../../support/program');
const { assertResponse, connect, exchange, fetchAll } = require('../../support/http');

const JSON_TYPE = ['content-type', 'application/json'];

function sha256(data) {
  return createHash('sha256').update(data).digest('hex');
}

function post(program, target, body, headers = {}) {
  return fetchAll(program.port, target, { method: 'POST', body, headers });
}

function assertJson(response, statusLine, value) {
  const text = JSON.stringify(value);
  const length = ['content-length', String(Buffer.byteLength(text))];
  assertResponse(response, statusLine, [JSON_TYPE, length], text);
}

test('upload: bodies of many sizes, with a length and chunked', async (t) => {
  const program = await start(t, 'upload');
  for (const bytes of [0, 1, 1000, 65_536, 600_000, 20_000_000]) {
    const body = randomBytes(bytes);
    const expected = { name: `n${bytes}`, bytes, sha256: sha256(body) };
    const headers = { 'X-Name': `n${bytes}` };
    assertJson(await post(program, '/upload', body, headers), '200 OK', expected);
    const stream = Readable.from(
      (function* () {
        for (let at = 0; at < bytes; at += 70_001) {
          yield body.subarray(at, at + 70_001);
        }
      })(),
    );
    assertJson(await post(program, '/upload', stream, headers), '200 OK', expected);
  }
});

test('upload: many at a time', async (t) => {
  const program = await start(t, 'upload');
  const bodies = Array.from({ length: 20 }, (_, index) => randomBytes(300_000 + index));
  const responses = await Promise.all(
    bodies.map((body, index) => post(program, '/upload', body, { 'X-Name': `n${index}` })),
  );
  responses.forEach((response, index) => {
    const expected = { name: `n${index}`, bytes: 300_000 + index, sha256: sha256(bodies[index]) };
    assertJson(response, '200 OK', expected);
  });
});

test('upload: who leaves midway is noticed', async (t) => {
  const program = await start(t, 'upload');
  const socket = await connect(t, program.port);
  const head = 'POST /upload HTTP/1.1\r\nHost: a\r\nX-Name: half\r\nContent-Length: 100\r\n\r\n';
  socket.write(`${head}abc`);
  await wait(50);
  socket.destroy();
  assert.equal(await program.line(), 'half aborted');
  assertResponse(await post(program, '/other', 'body'), '404 Not Found', [
    ['content-length', '12'],
  ], 'Nothing here');
});

test('upload: more than the program takes is cut', async (t) => {
  const program = await start(t, 'upload');
  const request = http.request({
    host: '127.0.0.1',
    port: program.port,
    path: '/upload',
    method: 'POST',
    headers: { 'X-Name': 'large', 'Content-Length': 65 * 1024 * 1024 },
    agent: false,
  });
  request.on('response', () => assert.fail('answered'));
  const failed = once(request, 'error');
  request.write(Buffer.alloc(64 * 1024 * 1024 + 1));
  const [error] = await failed.catch((reason) => [reason]);
  assert.ok(['ECONNRESET', 'EPIPE'].includes(error.code), error.code);
  assert.equal(await program.line(), 'large aborted');
});

test('JSON post: in one piece, byte by byte, and wrong', async (t) => {
  const program = await start(t, 'json_post');
  const body = JSON.stringify({ numbers: [1, 2, 39.5], text: 'é\u{1f600}' });
  assertJson(await post(program, '/sum', body), '200 OK', { sum: 42.5 });
  const bytewise = Readable.from(
    (function* () {
      for (const byte of Buffer.from(body)) {
        yield Buffer.from([byte]);
      }
    })(),
  );
  assertJson(await post(program, '/sum', bytewise), '200 OK', { sum: 42.5 });
  const wrong = await post(program, '/sum', '{"numbers":[1,');
  assertJson(wrong, '400 Bad Request', { error: 'Not JSON' });
  assertJson(await post(program, '/sum', ''), '400 Bad Request', { error: 'Not JSON' });

  const many = JSON.stringify({ numbers: Array.from({ length: 100_000 }, () => 2) });
  assertJson(await post(program, '/sum', many), '200 OK', { sum: 200_000 });
});

test('JSON post: a collected body on both sides of its limit', async (t) => {
  const program = await start(t, 'json_post');
  const value = (bytes) => JSON.stringify('x'.repeat(bytes - 2));
  const limit = 1024 * 1024;
  for (const bytes of [2, 100, limit]) {
    const response = await post(program, '/collected', value(bytes));
    assertJson(response, '200 OK', { length: bytes - 2 });
  }
  const refused = await post(program, '/collected', value(limit + 1));
  assertJson(refused, '413 Content Too Large', { error: `At most ${limit} bytes` });
  const chunked = await post(program, '/collected', Readable.from([value(limit + 1)]));
  assert.equal(chunked.status, 413);
});

test('JSON post: two on one connection, cut anywhere', async (t) => {
  const program = await start(t, 'json_post');
  const one = 'POST /sum HTTP/1.1\r\nHost: a\r\nContent-Length: 17\r\n\r\n{"numbers":[1,2]}';
  const two =
    'POST /sum HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n' +
    'a\r\n{"numbers"\r\n5\r\n:[3]}\r\n0\r\n\r\n';
  const undated = (text) => text.replace(/^date: .*\r\n/gim, '');
  const whole = undated(await exchange(t, program.port, one + two));
  assert.deepEqual(whole.match(/\{.*\}/g), ['{"sum":3}', '{"sum":3}']);
  for (const cut of [1, 20, one.length - 1, one.length, one.length + 30, one.length + 95]) {
    const connection = await connect(t, program.port);
    connection.write((one + two).slice(0, cut));
    await wait(20);
    connection.write((one + two).slice(cut));
    assert.equal(undated(await connection.rest()), whole, `cut at ${cut}`);
  }
});

test('slow receiver: all of a body that is paused again and again', async (t) => {
  const program = await start(t, 'slow_receiver');
  const body = randomBytes(8 * 1024 * 1024);
  let checksum = 0;
  for (const byte of body) {
    checksum = (checksum * 31 + byte) >>> 0;
  }
  const expected = `${body.length} ${checksum}`;
  const answers = await Promise.all([
    post(program, '/work', body),
    post(program, '/work', Readable.from([body.subarray(0, 100), body.subarray(100)])),
  ]);
  assert.deepEqual(answers.map(({ text }) => text), [expected, expected]);
  assert.ok(Number((await fetchAll(program.port, '/pieces')).text) > 2);
  assert.equal((await post(program, '/work', 'a')).text, '1 97');
});

test('form parser: JSON, urlencoded and multipart with a file', async (t) => {
  const program = await start(t, 'parse_body');
  const ask = (type, body) => post(program, '/form', body, { 'Content-Type': type });
  assertJson(await ask('application/json; charset=utf-8', '{"a":[1]}'), '200 OK', { a: [1] });
  const urlencoded = await ask('application/x-www-form-urlencoded', 'a=1&b=x+y%20z&c=%C3%A9');
  assertJson(urlencoded, '200 OK', { a: '1', b: 'x y z', c: 'é' });

  const file = randomBytes(200_000);
  const form = new FormData();
  form.append('title', 'A title');
  form.append('file', new Blob([file], { type: 'application/x-own' }), 'own.bin');
  form.append('empty', new Blob([]), 'empty.bin');
  const request = new Request('http://127.0.0.1/', { method: 'POST', body: form });
  const body = Buffer.from(await request.arrayBuffer());
  const response = await ask(request.headers.get('content-type'), body);
  const part = (name, type, filename, data) => ({
    name,
    ...(type && { type }),
    ...(filename && { filename }),
    bytes: data.length,
    sha256: sha256(data),
  });
  assertJson(response, '200 OK', [
    part('title', undefined, undefined, Buffer.from('A title')),
    part('file', 'application/x-own', 'own.bin', file),
    part('empty', 'application/octet-stream', 'empty.bin', Buffer.alloc(0)),
  ]);
  const unknown = await ask('text/plain', 'a');
  assertResponse(unknown, '415 Unsupported Media Type', [['content-length', '10']], 'text/plain');
});
