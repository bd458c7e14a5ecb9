'use strict';

// What a peer sends wrongly never reaches a handler.

const assert = require('node:assert/strict');
const { both, own } = require('./support/implementation');
const { serve } = require('./support/server');
const { connect } = require('./support/raw');

const HOST = 'Host: h\r\n';

const MALFORMED = {
  'no request line': 'nonsense\r\n\r\n',
  'a version that is not': `GET / HTTP/3.7\r\n${HOST}\r\n`,
  'no host': 'GET / HTTP/1.1\r\n\r\n',
  'two hosts': `GET / HTTP/1.1\r\n${HOST}${HOST}\r\n`,
  'a header without a name': `GET / HTTP/1.1\r\n${HOST}: x\r\n\r\n`,
  'a space before the colon': `GET / HTTP/1.1\r\n${HOST}a : x\r\n\r\n`,
  'a length and a transfer coding':
    `POST / HTTP/1.1\r\n${HOST}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n`,
  'a NUL in a value': `GET / HTTP/1.1\r\n${HOST}a: b\0c\r\n\r\n`,
};

// What the peer refuses too, if not always before a handler has run.
const REFUSED_BY_BOTH = ['no host', 'two hosts', 'a space before the colon',
  'a NUL in a value'];

for (const [name, bytes] of Object.entries(MALFORMED)) {
  const run = REFUSED_BY_BOTH.includes(name) ? both : own;
  run(`${name} is refused before any handler`, async (t) => {
    const { port } = serve(t, (app) => app.any('/*', () => assert.fail('a handler was called')));
    const client = await connect(t, port);
    client.write(bytes);
    const answer = (await client.ended()).toString('latin1');
    assert.match(answer, /^HTTP\/1\.1 (400|505) /);
    assert.equal(answer.match(/HTTP\/1\.1 /g).length, 1);
  });
}

own('a length that is none is refused before any handler', async (t) => {
  for (const length of ['', '+1', '-1', '0x1', '1,2', '1e1', '9'.repeat(30)]) {
    const { port } = serve(t, (app) => app.any('/*', () => assert.fail('a handler was called')));
    const client = await connect(t, port);
    client.write(`POST / HTTP/1.1\r\n${HOST}Content-Length: ${length}\r\n\r\n`);
    assert.match((await client.ended()).toString('latin1'), /^HTTP\/1\.1 4/, length);
  }
});

own('what follows a refused request is not answered', async (t) => {
  const { port } = serve(t, (app) => app.get('/', (res) => res.end('well')));
  const client = await connect(t, port);
  client.write(`nonsense\r\n\r\nGET / HTTP/1.1\r\n${HOST}\r\n`);
  assert.doesNotMatch((await client.ended()).toString('latin1'), /well/);
});

both('a request byte by byte', async (t) => {
  const { port } = serve(t, (app) => {
    app.post('/a', (res, req) => {
      const header = req.getHeader('x-a');
      res.onAborted(() => {});
      let body = '';
      res.onData((data, isLast) => {
        body += Buffer.from(data).toString();
        if (isLast) {
          res.end(`${header} ${body}`);
        }
      });
    });
  });
  const client = await connect(t, port);
  for (const byte of `POST /a HTTP/1.1\r\n${HOST}X-A: b\r\nContent-Length: 3\r\n\r\nxyz`) {
    client.write(byte);
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.equal((await client.response()).text, 'b xyz');
});

own('a request of HTTP/1.0 is answered, and its connection ends', async (t) => {
  const { port } = serve(t, (app) => app.get('/', (res) => res.end('old')));
  const client = await connect(t, port);
  client.write('GET / HTTP/1.0\r\n\r\n');
  const answer = (await client.ended()).toString('latin1');
  assert.match(answer, /^HTTP\/1\.1 200 OK\r\n/);
  assert.match(answer, /\r\n\r\nold$/);
});
