'use strict';

const assert = require('node:assert/strict');
const { createHash, randomBytes } = require('node:crypto');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { Readable } = require('node:stream');
const test = require('node:test');
const { setTimeout: wait } = require('node:timers/promises');
const { HyperExpress, serve } = require('../../support/hyper-express');
const { collect, connect, exchange, fetchAll, open } = require('../../support/http');

function sha256(data) {
  return createHash('sha256').update(data).digest('hex');
}

function post(port, target, body, headers = {}) {
  return fetchAll(port, target, { method: 'POST', body, headers });
}

function temporaryFolder(t) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'programs-'));
  t.after(() => fs.rmSync(folder, { recursive: true }));
  return folder;
}

/** A body of unknown length. */
function pieces(data, bytes = 50_000) {
  return Readable.from(
    (function* () {
      for (let at = 0; at < data.length; at += bytes) {
        yield data.subarray(at, at + bytes);
      }
    })(),
  );
}

test('hyper-express: routes of every method, parameters and queries', async (t) => {
  const methods = ['get', 'post', 'put', 'patch', 'delete', 'options'];
  const port = await serve(t, (server) => {
    for (const method of methods) {
      server[method]('/items/:name/:id', (request, response) => {
        response.json({
          method: request.method,
          path: request.path,
          parameters: request.path_parameters,
          query: request.query_parameters,
        });
      });
    }
    server.head('/items/:name/:id', (request, response) => {
      response.header('x-head', 'yes').send();
    });
    server.any('/any/*', (request, response) => response.send(`any ${request.method}`));
  });
  for (const method of methods) {
    const response = await fetchAll(port, '/items/caf%C3%A9/7?a=1&b=x%20y', {
      method: method.toUpperCase(),
    });
    assert.equal(response.status, 200);
    assert.equal(response.headers['content-type'], 'application/json; charset=utf-8');
    assert.deepEqual(JSON.parse(response.text), {
      method: method.toUpperCase(),
      path: '/items/caf%C3%A9/7',
      parameters: { name: 'caf%C3%A9', id: '7' },
      query: { a: '1', b: 'x y' },
    });
  }
  const head = await fetchAll(port, '/items/a/b', { method: 'HEAD' });
  assert.deepEqual([head.status, head.headers['x-head'], head.text], [200, 'yes', '']);
  assert.equal((await fetchAll(port, '/any/thing', { method: 'TRACE' })).text, 'any TRACE');
  const missing = await fetchAll(port, '/missing');
  assert.deepEqual([missing.status, missing.text], [404, '']);
});

test('hyper-express: middlewares of the server, of routers and of routes, in order', async (t) => {
  const mark = (name) => (request, response, next) => {
    request.locals.marks = [...(request.locals.marks ?? []), name];
    next();
  };
  const late = async (request) => {
    await wait(5);
    request.locals.marks.push('late');
  };
  const port = await serve(t, (server) => {
    const router = new HyperExpress.Router();
    const answer = (request, response) => response.json(request.locals.marks);
    router.use(mark('router'));
    router.get('/plain', answer);
    router.get('/own', { middlewares: [mark('own'), late] }, answer);
    router.post('/own', { middlewares: [late] }, async (request, response) => {
      response.json([...request.locals.marks, await request.text()]);
    });
    server.use(mark('server'));
    server.use('/in', mark('path'));
    server.use('/in', router);
    server.get('/out', answer);
  });
  const ask = async (target) => JSON.parse((await fetchAll(port, target)).text);
  assert.deepEqual(await ask('/out'), ['server']);
  assert.deepEqual(await ask('/in/plain'), ['server', 'path', 'router']);
  assert.deepEqual(await ask('/in/own'), ['server', 'path', 'router', 'own', 'late']);
  const body = 'after waiting';
  const posted = await post(port, '/in/own', body);
  assert.deepEqual(JSON.parse(posted.text), ['server', 'path', 'router', 'late', body]);
});

test('hyper-express: status, headers, cookies and redirects', async (t) => {
  const port = await serve(t, (server) => {
    server.get('/', (request, response) => {
      const secret = 'a secret';
      response
        .status(418, 'I am a teapot')
        .header('x-many', ['1', '2'])
        .header('x-seen', request.unsign(request.cookies.signed ?? '', secret) || 'nothing')
        .cookie('plain', 'a b', 1000, { path: '/', httpOnly: true })
        .cookie('signed', 'value', 1000, { secret })
        .type('html')
        .send('<p>é</p>');
    });
    server.get('/away', (request, response) => response.redirect('/'));
    server.get('/empty', (request, response) => response.status(204).send());
  });
  const first = await fetchAll(port, '/');
  assert.deepEqual([first.status, first.reason], [418, 'I am a teapot']);
  assert.equal(first.text, '<p>é</p>');
  assert.equal(first.headers['content-type'], 'text/html; charset=utf-8');
  const many = first.fields.filter(([name]) => name === 'x-many');
  assert.deepEqual(many.map(([, value]) => value), ['1', '2']);
  const [plain, signed] = first.headers['set-cookie'];
  assert.match(plain, /^plain=a%20b; Max-Age=1; Path=\/; Expires=[^;]*; HttpOnly$/);
  const again = await fetchAll(port, '/', { headers: { Cookie: signed.split(';')[0] } });
  assert.deepEqual([first.headers['x-seen'], again.headers['x-seen']], ['nothing', 'value']);
  const away = await fetchAll(port, '/away');
  assert.deepEqual([away.status, away.headers.location], [302, '/']);
  const empty = await fetchAll(port, '/empty');
  assert.deepEqual([empty.status, empty.text], [204, '']);
});

test('hyper-express: JSON, text, urlencoded and raw bodies', async (t) => {
  const port = await serve(
    t,
    (server) => {
      server.post('/json', async (request, response) => response.json(await request.json()));
      server.post('/text', async (request, response) => response.send(await request.text()));
      server.post('/form', async (request, response) => response.json(await request.urlencoded()));
      server.post('/late', async (request, response) => {
        await wait(20);
        const body = await request.buffer();
        response.json({ bytes: body.length, sha256: sha256(body) });
      });
    },
    { max_body_length: 10_000_000 },
  );
  const value = { text: 'é\u{1f600}', list: [1, null] };
  assert.deepEqual(JSON.parse((await post(port, '/json', JSON.stringify(value))).text), value);
  const text = 'é'.repeat(200_000);
  assert.equal((await post(port, '/text', text)).text, text);
  assert.equal((await post(port, '/text', pieces(Buffer.from(text), 33_333))).text, text);
  assert.equal((await post(port, '/text', '')).text, '');
  const form = await post(port, '/form', 'a=1&a=2&b=x+y');
  assert.deepEqual(JSON.parse(form.text), { a: ['1', '2'], b: 'x y' });
  for (const bytes of [0, 1, 16_383, 16_384, 16_385, 600_000, 5_000_000]) {
    const body = randomBytes(bytes);
    const expected = { bytes, sha256: sha256(body) };
    assert.deepEqual(JSON.parse((await post(port, '/late', body)).text), expected);
    assert.deepEqual(JSON.parse((await post(port, '/late', pieces(body))).text), expected);
  }
  const bodies = Array.from({ length: 20 }, (_, index) => randomBytes(100_000 + index));
  const answers = await Promise.all(bodies.map((body) => post(port, '/late', body)));
  answers.forEach((answer, index) => {
    assert.equal(JSON.parse(answer.text).sha256, sha256(bodies[index]));
  });
});

test('hyper-express: a body on both sides of its limit', async (t) => {
  const port = await serve(
    t,
    (server) => {
      server.post('/', { max_body_length: 1000 }, async (request, response) => {
        response.send(String((await request.buffer()).length));
      });
    },
  );
  for (const make of [(data) => data, (data) => pieces(data, 100)]) {
    const taken = await post(port, '/', make(Buffer.alloc(1000)));
    assert.deepEqual([taken.status, taken.text], [200, '1000']);
    const refused = await post(port, '/', make(Buffer.alloc(1001)));
    assert.equal(refused.status, 413);
  }
});

test('hyper-express: multipart uploads to fields, memory and disk', async (t) => {
  const folder = temporaryFolder(t);
  const port = await serve(
    t,
    (server) => {
      server.post('/upload', async (request, response) => {
        const fields = {};
        await request.multipart({ limits: { files: 3 } }, async (field) => {
          if (!field.file) {
            fields[field.name] = field.value;
          } else if (field.name === 'disk') {
            const file = path.join(folder, field.file.name);
            await field.write(file);
            fields.disk = sha256(fs.readFileSync(file));
          } else {
            const data = await collect(field.file.stream);
            fields[field.name] = [field.file.name, field.mime_type, sha256(data)];
          }
        });
        response.json(fields);
      });
      server.set_error_handler((request, response, error) => {
        response.status(400).send(String(error.message ?? error));
      });
    },
    { max_body_length: 20_000_000 },
  );
  const first = randomBytes(3_000_000);
  const second = randomBytes(70_000);
  const encode = async (form) => {
    const request = new Request('http://127.0.0.1/', { method: 'POST', body: form });
    const body = Buffer.from(await request.arrayBuffer());
    return [body, { 'Content-Type': request.headers.get('content-type') }];
  };
  const form = new FormData();
  form.append('title', 'Tïtle');
  form.append('disk', new Blob([first]), 'first.bin');
  form.append('memory', new Blob([second], { type: 'image/png' }), 'second.png');
  const [body, headers] = await encode(form);
  const expected = {
    title: 'Tïtle',
    disk: sha256(first),
    memory: ['second.png', 'image/png', sha256(second)],
  };
  for (const sent of [body, pieces(body, 10_000), pieces(body, 1_000_000)]) {
    assert.deepEqual(JSON.parse((await post(port, '/upload', sent, headers)).text), expected);
  }
  const many = new FormData();
  for (let count = 0; count < 4; count += 1) {
    many.append(`file${count}`, new Blob(['x']), 'x');
  }
  const refused = await post(port, '/upload', ...(await encode(many)));
  assert.equal(refused.status, 400);
  assert.match(refused.text, /FILES_LIMIT_REACHED/);
});

test('hyper-express: requests and responses are streams', async (t) => {
  const data = randomBytes(6_000_000);
  const port = await serve(
    t,
    (server) => {
      server.post('/echo', (request, response) => {
        request.pipe(response);
      });
      server.get('/known', (request, response) => {
        response.stream(pieces(data), data.length).catch(() => {});
      });
      server.get('/unknown', (request, response) => {
        response.stream(pieces(data)).catch(() => {});
      });
      server.get('/written', async (request, response) => {
        for (let at = 0; at < data.length; at += 500_000) {
          if (!response.write(data.subarray(at, at + 500_000))) {
            await new Promise((resolve) => response.once('drain', resolve));
          }
        }
        response.end();
      });
    },
    { max_body_length: 10_000_000 },
  );
  assert.ok((await post(port, '/echo', data)).body.equals(data));
  assert.ok((await post(port, '/echo', pieces(data))).body.equals(data));
  const known = await fetchAll(port, '/known');
  assert.equal(known.headers['content-length'], String(data.length));
  assert.ok(known.body.equals(data));
  for (const target of ['/unknown', '/written']) {
    const response = await fetchAll(port, target);
    assert.equal(response.headers['transfer-encoding'], 'chunked');
    assert.ok(response.body.equals(data), target);
  }
  const slow = await open(port, '/known');
  await wait(100);
  assert.ok((await collect(slow)).equals(data));
});

test('hyper-express: a client that leaves ends its stream', async (t) => {
  let destroyed;
  const gone = new Promise((resolve) => (destroyed = resolve));
  const events = [];
  const port = await serve(t, (server) => {
    server.get('/endless', (request, response) => {
      const source = new Readable({ read: () => source.push(Buffer.alloc(65_536)) });
      source.once('close', destroyed);
      response.once('abort', () => events.push('abort'));
      response.stream(source).catch(() => {});
    });
    server.get('/', (request, response) => response.send('alive'));
  });
  const response = await open(port, '/endless');
  await new Promise((resolve) => response.once('data', resolve));
  response.destroy();
  await gone;
  assert.deepEqual(events, ['abort']);
  assert.equal((await fetchAll(port, '/')).text, 'alive');
});

test('hyper-express: server-sent events', async (t) => {
  let stream;
  let opened;
  const isOpen = new Promise((resolve) => (opened = resolve));
  let closed;
  const isClosed = new Promise((resolve) => (closed = resolve));
  const port = await serve(t, (server) => {
    server.get('/events', (request, response) => {
      stream = response.sse;
      stream.open();
      response.once('close', closed);
      opened();
    });
  });
  const connection = await connect(t, port);
  connection.write('GET /events HTTP/1.1\r\nHost: a\r\n\r\n');
  await isOpen;
  stream.comment('hello');
  stream.send('plain');
  stream.send('named', 'é');
  stream.send('7', 'named', 'with an id');
  const head = await connection.until('\r\n\r\n');
  assert.match(head, /^HTTP\/1\.1 200 OK\r\n[^]*content-type: text\/event-stream/i);
  let text = '';
  while (!text.includes('with an id')) {
    const line = await connection.until('\r\n');
    const size = parseInt(line === '\r\n' ? await connection.until('\r\n') : line, 16);
    text += await connection.take(size);
  }
  assert.match(text, /: hello\n\ndata: plain\n\n[^]*event: named\ndata: é\n\n[^]*id: 7\n/);
  assert.equal(stream.active, true);
  connection.destroy();
  await isClosed;
  assert.equal(stream.active, false);
  assert.equal(stream.send('into the void'), false);
});

test('hyper-express: files, downloads and live reload of what is cached', async (t) => {
  const folder = temporaryFolder(t);
  const file = path.join(folder, 'page.html');
  const large = randomBytes(4_000_000);
  fs.writeFileSync(file, '<p>one</p>');
  fs.writeFileSync(path.join(folder, 'large.bin'), large);
  const port = await serve(t, (server) => {
    server.get('/files/:name', (request, response) => {
      response.file(path.join(folder, request.path_parameters.name));
    });
    server.get('/download', (request, response) => response.download(file, 'own name.html'));
    server.set_error_handler((request, response) => response.status(404).send('no file'));
  });
  const page = await fetchAll(port, '/files/page.html');
  assert.equal(page.text, '<p>one</p>');
  assert.equal(page.headers['content-type'], 'text/html; charset=utf-8');
  assert.ok((await fetchAll(port, '/files/large.bin')).body.equals(large));
  const download = await fetchAll(port, '/download');
  assert.equal(download.headers['content-disposition'], 'attachment; filename="own name.html"');
  assert.equal(download.text, '<p>one</p>');
  assert.equal((await fetchAll(port, '/files/missing')).status, 404);
});

test('hyper-express: what throws, rejects or is reported reaches the error handler', async (t) => {
  const port = await serve(t, (server) => {
    server.get('/throws', () => {
      throw new Error('thrown');
    });
    server.get('/rejects', async () => {
      await wait(5);
      throw new Error('rejected');
    });
    server.get('/reports', (request, response) => response.throw(new Error('reported')));
    const stop = (request, response, next) => next(new Error('stopped'));
    server.get('/stopped', { middlewares: [stop] }, (request, response) => response.send('no'));
    server.post('/json', async (request, response) => response.json(await request.json(null)));
    server.set_error_handler((request, response, error) => {
      response.status(500).json({ path: request.path, error: error.message });
    });
    server.set_not_found_handler((request, response) => {
      response.status(404).send(`no ${request.path}`);
    });
  });
  for (const [target, error] of [
    ['/throws', 'thrown'],
    ['/rejects', 'rejected'],
    ['/reports', 'reported'],
    ['/stopped', 'stopped'],
  ]) {
    const response = await fetchAll(port, target);
    assert.equal(response.status, 500);
    assert.deepEqual(JSON.parse(response.text), { path: target, error });
  }
  assert.equal((await post(port, '/json', '{"half":')).status, 500);
  assert.equal((await fetchAll(port, '/nowhere')).text, 'no /nowhere');
});

test('hyper-express: requests in one segment, some answered late', async (t) => {
  const port = await serve(t, (server) => {
    server.get('/now/:name', (request, response) => response.send(request.path_parameters.name));
    server.get('/late/:name', (request, response) => {
      setImmediate(() => response.send(request.path_parameters.name));
    });
  });
  const ask = (target, last) =>
    `GET ${target} HTTP/1.1\r\nHost: a\r\n${last ? 'Connection: close\r\n' : ''}\r\n`;
  const text = await exchange(t, port, ask('/now/a') + ask('/now/b') + ask('/now/c', true));
  assert.deepEqual(text.split(/HTTP\/1\.1 200 [^]*?\r\n\r\n/).slice(1), ['a', 'b', 'c']);
  const late = await exchange(t, port, ask('/now/d') + ask('/late/e', true));
  assert.deepEqual(late.split(/HTTP\/1\.1 200 [^]*?\r\n\r\n/).slice(1), ['d', 'e']);
});

test('hyper-express: shutdown waits for what has begun', async (t) => {
  const server = new HyperExpress.Server({ auto_close: false });
  t.after(() => server.force_close());
  let answer;
  const asked = new Promise((resolve) => {
    server.get('/', (request, response) => {
      answer = () => response.send('late');
      resolve();
    });
  });
  await server.listen(0, '127.0.0.1');
  const { port } = server;
  const response = fetchAll(port, '/');
  await asked;
  const stopped = server.shutdown();
  await assert.rejects(fetchAll(port, '/'), { code: 'ECONNREFUSED' });
  answer();
  assert.equal((await response).text, 'late');
  assert.equal(await stopped, true);
});
