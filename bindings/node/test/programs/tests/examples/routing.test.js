'use strict';

const assert = require('node:assert/strict');
const { Agent } = require('node:http');
const test = require('node:test');
const { start } = require('../../support/program');
const { assertResponse, connect, exchange, fetchAll } = require('../../support/http');

test('router: every kind of pattern, and what comes first', async (t) => {
  const program = await start(t, 'router');
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  t.after(() => agent.destroy());
  const cases = [
    ['GET', '/', 'root'],
    ['GET', '/users', 'users'],
    ['GET', '/users/me', 'me'],
    ['GET', '/users/ann', 'user ann'],
    ['GET', '/users/%C3%A9', 'user %C3%A9'],
    ['GET', '/users/ann/posts/7', 'post ann 7'],
    ['PUT', '/users/ann', 'put ann'],
    ['PATCH', '/users/ann', 'patch ann'],
    ['DELETE', '/users/ann', 'delete ann'],
    ['OPTIONS', '/users/a/b/c', 'options'],
    ['GET', '/files/', 'files'],
    ['GET', '/files/a/b.txt', 'files'],
    ['GET', '/members/ann', 'public'],
    ['POST', '/members/ann', 'anything ann'],
  ];
  for (const [method, target, text] of cases) {
    const response = await fetchAll(program.port, `${target}?a=1&b`, { method, agent });
    const expected = [
      ['x-method', method.toLowerCase()],
      ['x-query', 'a=1&b'],
      ['content-length', String(text.length)],
    ];
    assertResponse(response, '200 OK', expected, text);
  }
  const member = { headers: { Authorization: 'Member' }, agent };
  assert.equal((await fetchAll(program.port, '/members/ann', member)).text, 'member ann');
  const head = await fetchAll(program.port, '/users', { method: 'HEAD', agent });
  assertResponse(head, '200 OK', [['x-users', '3'], ['content-length', '300']], '');
});

test('router: what nobody serves', async (t) => {
  const program = await start(t, 'router');
  for (const [method, target] of [
    ['GET', '/user'],
    ['GET', '/users/ann/posts'],
    ['POST', '/users'],
    ['PROPFIND', '/users/ann'],
    ['GET', '/files'],
  ]) {
    const response = await fetchAll(program.port, target, { method });
    const text = `No ${method} ${target}`;
    const length = ['content-length', String(text.length)];
    assertResponse(response, '404 Not Found', [length], text);
  }
});

test('router: requests in one segment are answered in order', async (t) => {
  const program = await start(t, 'router');
  const targets = ['/users/a', '/', '/nothing', '/users/b/posts/9', '/users'];
  const requests = targets.map((target, index) => {
    const last = index === targets.length - 1 ? 'Connection: close\r\n' : '';
    return `GET ${target} HTTP/1.1\r\nHost: a\r\n${last}\r\n`;
  });
  const text = await exchange(t, program.port, requests.join(''));
  const bodies = text.split(/HTTP\/1\.1 [^]*?\r\n\r\n/).slice(1);
  assert.deepEqual(bodies, ['user a', 'root', 'No GET /nothing', 'post b 9', 'users']);
});

test('declared answers: fixed, and put together from the request', async (t) => {
  const program = await start(t, 'declarative');
  const served = ['x-served', 'native'];
  const hello = await fetchAll(program.port, '/hello/ann?other=1&what=a%20b+c', {
    headers: { 'User-Agent': 'a test' },
  });
  const text = 'Hello ann, you asked for a b c with a test.';
  assertResponse(hello, '201 Created', [served, ['transfer-encoding', 'chunked']], text);
  const bare = await fetchAll(program.port, '/hello/%41');
  assert.equal(bare.text, 'Hello %41, you asked for  with .');
  const fixed = await fetchAll(program.port, '/fixed');
  assertResponse(fixed, '200 OK', [served, ['content-length', '5']], 'fixed');
});

test('async handlers: late answers, and clients that left', async (t) => {
  const program = await start(t, 'async_function');
  const answers = await Promise.all(
    ['a', 'b', 'c'].map((what) => fetchAll(program.port, `/later/${what}`)),
  );
  answers.forEach((answer, index) => {
    const expected = [['x-answer', 'late'], ['content-length', '1']];
    assertResponse(answer, '202 Accepted', expected, 'ABC'[index]);
  });
  const begun = [await program.line(), await program.line(), await program.line()];
  assert.deepEqual(begun.sort(), ['a', 'b', 'c']);
  const leaving = await connect(t, program.port);
  leaving.write('GET /later/d HTTP/1.1\r\nHost: a\r\n\r\n');
  assert.equal(await program.line(), 'd');
  leaving.destroy();
  assert.equal(await program.line(), 'd gone');
  assert.equal((await fetchAll(program.port, '/later/e')).text, 'E');
});

test('PROXY protocol: the client behind the proxy, for all requests of a connection', async (t) => {
  const program = await start(t, 'proxy_protocol');
  const signature = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');
  const from = (family, addresses) => {
    const head = Buffer.from([0x21, family, 0, addresses.length / 2]);
    return Buffer.concat([signature, head, Buffer.from(addresses, 'hex')]);
  };
  const zeros = '0'.repeat(20);
  const ipv6 = from(0x21, `20010db8${zeros}00012001${zeros}00000002dcba0050`);
  const cases = [
    [Buffer.alloc(0), '', ''],
    [from(0x11, 'c0a801020a000001dcba0050'), '192.168.1.2', 'c0a80102'],
    [ipv6, '2001:0db8:0000:0000:0000:0000:0000:0001', `20010db8${zeros}0001`],
  ];
  for (const [header, client, clientBytes] of cases) {
    const connection = await connect(t, program.port);
    connection.write(header);
    for (let count = 0; count < 2; count += 1) {
      connection.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
      await connection.until('\r\n\r\n');
      const { peer, ...rest } = JSON.parse(await connection.until('}'));
      assert.match(peer, /^(127\.0\.0\.1|0000:.*:7f00:0001)$/);
      assert.deepEqual(rest, { client, clientBytes });
    }
  }
});
