'use strict';

const assert = require('node:assert/strict');
const { createHash, randomBytes } = require('node:crypto');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const test = require('node:test');
const { setTimeout: wait } = require('node:timers/promises');
const { start } = require('../../support/program');
const { collect, connect, exchange, fetchAll, open } = require('../../support/http');
const websocket = require('../../support/websocket');

const VIDEO = randomBytes(12 * 1024 * 1024 + 1234);

function sha256(data) {
  return createHash('sha256').update(data).digest('hex');
}

function temporaryFolder(t) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'programs-'));
  t.after(() => fs.rmSync(folder, { recursive: true }));
  return folder;
}

function startVideo(t, content = VIDEO) {
  const file = path.join(temporaryFolder(t), 'video.mp4');
  fs.writeFileSync(file, content);
  return start(t, 'video_streamer', [file]);
}

/** Reads with pauses, so that the server meets a full socket. */
async function collectSlowly(response) {
  const hash = createHash('sha256');
  let bytes = 0;
  let nextPause = 0;
  for await (const chunk of response) {
    hash.update(chunk);
    bytes += chunk.length;
    if (bytes >= nextPause) {
      nextPause += 1024 * 1024;
      await wait(20);
    }
  }
  return { bytes, sha256: hash.digest('hex') };
}

for (const way of ['fixed', 'chunked']) {
  test(`video streamer, ${way}: a fast and a slow reader get every byte`, async (t) => {
    const program = await startVideo(t);
    const fast = await open(program.port, `/${way}`);
    const slow = await open(program.port, `/${way}`);
    const expected = { bytes: VIDEO.length, sha256: sha256(VIDEO) };
    for (const response of [fast, slow]) {
      assert.equal(response.statusCode, 200);
      const { 'content-length': length, 'transfer-encoding': coding } = response.headers;
      assert.deepEqual(
        [length, coding],
        way === 'fixed' ? [String(VIDEO.length), undefined] : [undefined, 'chunked'],
      );
    }
    const [body, drained] = await Promise.all([collect(fast), collectSlowly(slow)]);
    assert.deepEqual({ bytes: body.length, sha256: sha256(body) }, expected);
    assert.deepEqual(drained, expected);
  });

  test(`video streamer, ${way}: who leaves midway is noticed, others go on`, async (t) => {
    const program = await startVideo(t);
    const leaving = await open(program.port, `/${way}`);
    await new Promise((resolve) => leaving.once('data', resolve));
    leaving.destroy();
    assert.equal(await program.line(), 'aborted');
    const { body } = await fetchAll(program.port, `/${way}`);
    assert.ok(body.equals(VIDEO));
  });

  test(`video streamer, ${way}: small files and sizes about a chunk's`, async (t) => {
    for (const size of [1, 65535, 65536, 65537, 262144]) {
      const content = VIDEO.subarray(0, size);
      const program = await startVideo(t, content);
      const { body } = await fetchAll(program.port, `/${way}`);
      assert.ok(body.equals(content), `${size} bytes`);
    }
  });
}

test('video streamer: many at a time', async (t) => {
  const program = await startVideo(t);
  const paths = Array.from({ length: 12 }, (_, index) => (index % 2 ? '/fixed' : '/chunked'));
  const responses = await Promise.all(paths.map((target) => fetchAll(program.port, target)));
  for (const { body } of responses) {
    assert.ok(body.equals(VIDEO));
  }
});

test('backpressure: a slow reader gets all in order, and is sent no faster', async (t) => {
  const program = await start(t, 'backpressure');
  const client = await websocket.open(t, program.port);
  const count = 800;
  client.send(String(count));
  client.socket.pause();
  await wait(300);
  client.socket.resume();
  for (let index = 0; index < count; index += 1) {
    const expected = Buffer.alloc(16 * 1024, index % 251);
    expected.writeUInt32BE(index);
    const message = await client.next();
    assert.ok(message.equals(expected), `message ${index}`);
  }
  const { stalls, peak } = await client.nextJson();
  assert.ok(stalls > 0, 'the socket was never full');
  assert.ok(peak >= 256 * 1024 && peak < 256 * 1024 + 2 * 16 * 1024 + 64, `peak ${peak}`);
  client.send('1');
  assert.equal((await client.next()).readUInt32BE(), count);
  assert.equal((await client.nextJson()).peak, peak);
});

test('server-sent events: bytes on the wire, and those who leave', async (t) => {
  const program = await start(t, 'server_sent_events');
  const first = await connect(t, program.port);
  first.write('GET /events HTTP/1.1\r\nHost: a\r\nLast-Event-ID: 41\r\n\r\n');
  const head = await first.until('\r\n\r\n');
  const lines = head.toLowerCase().split('\r\n');
  assert.equal(lines[0], 'http/1.1 200 ok');
  assert.ok(lines.includes('content-type: text/event-stream'));
  assert.ok(lines.includes('cache-control: no-store'));
  assert.ok(lines.includes('transfer-encoding: chunked'));
  assert.ok(!head.toLowerCase().includes('content-length'));
  const chunk = async (connection) => {
    // The end of a chunk may be sent with the next one.
    const line = await connection.until('\r\n');
    const size = line === '\r\n' ? await connection.until('\r\n') : line;
    return connection.take(parseInt(size, 16));
  };
  assert.equal(await chunk(first), 'retry: 1000\n: since 41\n\n');

  const second = await connect(t, program.port);
  second.write('GET /events HTTP/1.1\r\nHost: a\r\n\r\n');
  await second.until('\r\n\r\n');
  assert.equal(await chunk(second), 'retry: 1000\n: since ever\n\n');

  const post = (name, body) => fetchAll(program.port, `/events/${name}`, { method: 'POST', body });
  assert.equal((await post('greeting', 'hé\nwörld')).text, '2');
  const greeting = 'id: 1\nevent: greeting\ndata: hé\ndata: wörld\n\n';
  assert.equal(await chunk(first), greeting);
  assert.equal(await chunk(second), greeting);

  first.destroy();
  assert.equal(await program.line(), 'left, 1 listen');
  const large = 'x'.repeat(300_000);
  assert.equal((await post('large', large)).text, '1');
  assert.equal(await chunk(second), `id: 2\nevent: large\ndata: ${large}\n\n`);
  second.end();
  assert.equal(await program.line(), 'left, 0 listen');
  assert.equal((await post('nobody', '')).text, '0');
});

test('static files: heads, tags and bytes', async (t) => {
  const folder = temporaryFolder(t);
  const page = '<p>é</p>';
  fs.writeFileSync(path.join(folder, 'page.html'), page);
  fs.writeFileSync(path.join(folder, 'a b.bin'), VIDEO);
  fs.writeFileSync(path.join(folder, 'empty.js'), '');
  const program = await start(t, 'static_files', [folder]);
  const ask = (target, options) => fetchAll(program.port, target, options);

  const found = await ask('/page.html');
  const tag = found.headers.etag;
  assert.equal(`${found.status} ${found.reason}`, '200 OK');
  assert.equal(found.text, page);
  assert.deepEqual(found.fields, [
    ['content-type', 'text/html'],
    ['etag', tag],
    ['content-length', '9'],
  ]);
  const head = await ask('/page.html', { method: 'HEAD' });
  assert.deepEqual(head.fields, found.fields);
  assert.equal(head.text, '');
  const unchanged = await ask('/page.html', { headers: { 'If-None-Match': tag } });
  assert.equal(`${unchanged.status} ${unchanged.reason}`, '304 Not Modified');
  assert.equal(unchanged.headers.etag, tag);

  assert.ok((await ask('/a%20b.bin')).body.equals(VIDEO));
  const bigHead = await ask('/a%20b.bin', { method: 'HEAD' });
  assert.equal(bigHead.headers['content-length'], String(VIDEO.length));
  const empty = await ask('/empty.js');
  assert.equal(empty.headers['content-length'], '0');
  assert.equal(empty.text, '');
  const missing = await ask('/missing');
  assert.equal(`${missing.status} ${missing.reason}`, '404 Not Found');
  assert.equal(missing.headers['content-length'], '0');
});

test('static files: a head, a body and an end on one connection', async (t) => {
  const folder = temporaryFolder(t);
  fs.writeFileSync(path.join(folder, 'a.js'), 'abc');
  const program = await start(t, 'static_files', [folder]);
  const text = await exchange(
    t,
    program.port,
    'HEAD /a.js HTTP/1.1\r\nHost: a\r\n\r\n' +
      'GET /a.js HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
  );
  const [first, second, body, ...rest] = text.split('\r\n\r\n');
  assert.match(first, /^HTTP\/1\.1 200 OK\r\n[^]*content-length: 3/i);
  assert.match(second, /^HTTP\/1\.1 200 OK\r\n[^]*content-length: 3/i);
  assert.deepEqual([body, rest], ['abc', []]);
});
