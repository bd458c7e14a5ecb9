'use strict';

const assert = require('node:assert/strict');
const { createHash, randomBytes } = require('node:crypto');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { Readable } = require('node:stream');
const test = require('node:test');
const express = require('ultimate-express');
const { fetchAll } = require('../../support/http');

function sha256(data) {
  return createHash('sha256').update(data).digest('hex');
}

async function serve(t, configure) {
  const app = express();
  configure(app);
  const port = await new Promise((resolve) => {
    app.listen(0, '127.0.0.1', () => resolve(app.port));
  });
  t.after(() => app.uwsApp.close());
  return port;
}

function post(port, target, body, headers = {}) {
  return fetchAll(port, target, { method: 'POST', body, headers });
}

test('ultimate-express: routers, middlewares, parameters and errors', async (t) => {
  const port = await serve(t, (app) => {
    const router = express.Router();
    router.use((request, response, next) => {
      request.seen = ['router'];
      next();
    });
    router.get('/:name', (request, response) => {
      const { params, query, seen } = request;
      response.set('X-Own', 'yes').json({ ...params, ...query, seen });
    });
    router.delete('/:name', async (request, response) => {
      await new Promise((resolve) => setTimeout(resolve, 10));
      response.status(202).send(`deleted ${request.params.name}`);
    });
    app.use('/users', router);
    app.get('/throws', () => {
      throw new Error('thrown');
    });
    app.get('/next', (request, response, next) => next(new Error('passed on')));
    app.use((error, request, response, next) => {
      response.status(500).send(`error: ${error.message}`);
      void next;
    });
  });
  const user = await fetchAll(port, '/users/ann?a=1');
  assert.deepEqual(JSON.parse(user.text), { name: 'ann', a: '1', seen: ['router'] });
  assert.equal(user.headers['x-own'], 'yes');
  const deleted = await fetchAll(port, '/users/bob', { method: 'DELETE' });
  assert.deepEqual([deleted.status, deleted.text], [202, 'deleted bob']);
  assert.equal((await fetchAll(port, '/throws')).text, 'error: thrown');
  assert.equal((await fetchAll(port, '/next')).text, 'error: passed on');
  assert.equal((await fetchAll(port, '/nowhere')).status, 404);
});

test('ultimate-express: bodies of all kinds', async (t) => {
  const port = await serve(t, (app) => {
    app.use(express.json({ limit: '5mb' }));
    app.use(express.urlencoded({ extended: true }));
    app.use(express.raw({ type: 'application/octet-stream', limit: '5mb' }));
    app.post('/raw', (request, response) => {
      response.json({ bytes: request.body.length, sha256: sha256(request.body) });
    });
    app.post('/echo', (request, response) => response.json(request.body));
    app.post('/stream', (request, response) => request.pipe(response));
  });
  const json = { 'Content-Type': 'application/json' };
  const value = { text: 'é'.repeat(100_000), list: [1, null] };
  const echoed = await post(port, '/echo', JSON.stringify(value), json);
  assert.deepEqual(JSON.parse(echoed.text), value);
  const form = { 'Content-Type': 'application/x-www-form-urlencoded' };
  const parsed = JSON.parse((await post(port, '/echo', 'a[b]=1&c=x+y', form)).text);
  assert.deepEqual(parsed, { a: { b: '1' }, c: 'x y' });
  const raw = { 'Content-Type': 'application/octet-stream' };
  for (const bytes of [1, 65_536, 3_000_000]) {
    const data = randomBytes(bytes);
    const answer = await post(port, '/raw', data, raw);
    assert.deepEqual(JSON.parse(answer.text), { bytes, sha256: sha256(data) });
  }
  const data = randomBytes(2_000_000);
  const stream = { 'Content-Type': 'x/own' };
  assert.ok((await post(port, '/stream', data, stream)).body.equals(data));
});

test('ultimate-express: static files, ranges, tags and streams', async (t) => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'programs-'));
  t.after(() => fs.rmSync(folder, { recursive: true }));
  const large = randomBytes(3_000_000);
  fs.writeFileSync(path.join(folder, 'large.bin'), large);
  fs.writeFileSync(path.join(folder, 'page.html'), '<p>é</p>');
  const port = await serve(t, (app) => {
    app.use('/static', express.static(folder));
    app.get('/file', (request, response) => response.sendFile(path.join(folder, 'large.bin')));
    app.get('/stream', (request, response) => {
      Readable.from([large.subarray(0, 1_000_000), large.subarray(1_000_000)]).pipe(response);
    });
    app.get('/head', (request, response) => response.send('with a body'));
  });
  const page = await fetchAll(port, '/static/page.html');
  assert.equal(page.text, '<p>é</p>');
  assert.match(page.headers['content-type'], /^text\/html/);
  const headers = { 'If-None-Match': page.headers.etag };
  assert.equal((await fetchAll(port, '/static/page.html', { headers })).status, 304);
  for (const target of ['/static/large.bin', '/file', '/stream']) {
    assert.ok((await fetchAll(port, target)).body.equals(large), target);
  }
  const range = { headers: { Range: 'bytes=1000-1999' } };
  const part = await fetchAll(port, '/static/large.bin', range);
  assert.equal(part.status, 206);
  assert.equal(part.headers['content-range'], `bytes 1000-1999/${large.length}`);
  assert.ok(part.body.equals(large.subarray(1000, 2000)));
  const head = await fetchAll(port, '/head', { method: 'HEAD' });
  assert.deepEqual([head.status, head.headers['content-length'], head.text], [200, '11', '']);
});
