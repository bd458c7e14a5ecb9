'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const { uws, both, own } = require('./support/implementation');
const { connect, request, fetch } = require('./support/raw');

function app(t) {
  const made = uws.App().get('/', (res) => res.end('hello'));
  t.after(() => made.close());
  return made;
}

/** A port that was free a moment ago. */
function freePort() {
  return new Promise((resolve, reject) => {
    const server = net.createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

function refused(target) {
  return new Promise((resolve) => {
    const socket = net.connect({ host: '127.0.0.1', ...target });
    socket.once('connect', () => {
      socket.destroy();
      resolve(false);
    });
    socket.once('error', () => resolve(true));
  });
}

const SHAPES = {
  '(port, callback)': (port, callback) => [port, callback],
  '(port, options, callback)': (port, callback) => [port, 0, callback],
  '(port, exclusive, callback)':
    (port, callback) => [port, uws.LIBUS_LISTEN_EXCLUSIVE_PORT, callback],
  '(host, port, callback)': (port, callback) => ['127.0.0.1', port, callback],
  '(host, port, options, callback)': (port, callback) => ['127.0.0.1', port, 0, callback],
  '(host, port, exclusive, callback)':
    (port, callback) => ['127.0.0.1', port, uws.LIBUS_LISTEN_EXCLUSIVE_PORT, callback],
  '(host as bytes, port, callback)':
    (port, callback) => [new TextEncoder().encode('127.0.0.1'), port, callback],
};

for (const [name, shape] of Object.entries(SHAPES)) {
  both(`listen${name} calls back before it returns`, async (t) => {
    const port = await freePort();
    const tokens = [];
    const made = app(t);
    assert.equal(made.listen(...shape(port, (token) => tokens.push(token))), made);
    assert.equal(tokens.length, 1);
    assert.ok(tokens[0]);
    assert.equal(uws.us_socket_local_port(tokens[0]), port);
    assert.equal((await fetch(t, port, '/')).text, 'hello');
  });
}

own('an empty host is every address', async (t) => {
  const port = await freePort();
  let token;
  app(t).listen('', port, (value) => {
    token = value;
  });
  assert.equal(uws.us_socket_local_port(token), port);
  assert.equal((await fetch(t, port, '/')).text, 'hello');
});

both('port 0 is a free one', async (t) => {
  const ports = new Set();
  const made = app(t);
  for (let count = 0; count < 3; count++) {
    made.listen(0, (token) => ports.add(uws.us_socket_local_port(token)));
  }
  assert.equal(ports.size, 3);
  for (const port of ports) {
    assert.ok(port > 0 && port < 65536);
    assert.equal((await fetch(t, port, '/')).text, 'hello');
  }
});

both('without a host it is reached by IPv4 and IPv6', async (t) => {
  let port;
  app(t).listen(0, (token) => {
    port = uws.us_socket_local_port(token);
  });
  const hosts = ['127.0.0.1'];
  if (Object.values(os.networkInterfaces()).flat().some(({ address }) => address === '::1')) {
    hosts.push('::1');
  }
  for (const host of hosts) {
    const client = await connect(t, { port, host });
    client.write(request('GET', '/'));
    assert.equal((await client.response()).text, 'hello');
  }
});

both('a host is the only address that is listened on', async (t) => {
  let port;
  app(t).listen('127.0.0.1', 0, (token) => {
    port = uws.us_socket_local_port(token);
  });
  assert.equal(await refused({ port, host: '127.0.0.2' }), true);
  assert.equal(await refused({ port }), false);
});

both('a port that another program holds gives false', async (t) => {
  const server = net.createServer();
  t.after(() => server.close());
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const values = [];
  app(t).listen('127.0.0.1', server.address().port, (value) => values.push(value));
  assert.deepEqual(values, [false]);
});

both('a host that does not exist gives false', (t) => {
  const values = [];
  app(t).listen('256.256.256.256', 0, (value) => values.push(value));
  assert.deepEqual(values, [false]);
});

both('a port is shared by default, and not if it is exclusive', async (t) => {
  const { LIBUS_LISTEN_EXCLUSIVE_PORT: exclusive } = uws;
  const [shared, held] = [await freePort(), await freePort()];
  const values = [];
  const listened = (value) => values.push(Boolean(value));
  app(t).listen('127.0.0.1', shared, listened);
  app(t).listen('127.0.0.1', shared, listened);
  app(t).listen('127.0.0.1', held, exclusive, listened);
  app(t).listen('127.0.0.1', held, exclusive, listened);
  assert.deepEqual(values, [true, true, true, false]);
});

both('closing the token stops accepting, and leaves connections alone', async (t) => {
  let token;
  app(t).listen(0, (value) => {
    token = value;
  });
  const port = uws.us_socket_local_port(token);
  const client = await connect(t, port);
  client.write(request('GET', '/'));
  assert.equal((await client.response()).text, 'hello');
  uws.us_listen_socket_close(token);
  assert.equal(await refused({ port }), true);
  client.write(request('GET', '/'));
  assert.equal((await client.response()).text, 'hello');
});

both('one token of several is closed', async (t) => {
  const tokens = [];
  const made = app(t);
  made.listen(0, (token) => tokens.push(token));
  made.listen(0, (token) => tokens.push(token));
  const [first, second] = tokens.map((token) => uws.us_socket_local_port(token));
  uws.us_listen_socket_close(tokens[0]);
  assert.equal(await refused({ port: first }), true);
  assert.equal((await fetch(t, second, '/')).text, 'hello');
});

own('a token is closed once, and a second time is nothing', (t) => {
  let token;
  app(t).listen(0, (value) => {
    token = value;
  });
  assert.equal(uws.us_listen_socket_close(token), undefined);
  assert.equal(uws.us_listen_socket_close(token), undefined);
});

own('a token of an app that was closed is nothing', (t) => {
  let token;
  const made = app(t).listen(0, (value) => {
    token = value;
  });
  made.close();
  assert.equal(uws.us_listen_socket_close(token), undefined);
});

own('what is no token is refused, and has no port', () => {
  for (const value of [undefined, null, false, 0, 1, 'token', {}, [], () => {}]) {
    assert.throws(() => uws.us_listen_socket_close(value), TypeError);
    let port = -1;
    try {
      port = uws.us_socket_local_port(value);
    } catch (error) {
      assert.ok(error instanceof TypeError);
    }
    assert.equal(port, -1);
  }
});

both('listen wants two arguments', (t) => {
  const made = app(t);
  for (const parameters of [[], [0]]) {
    assert.throws(() => made.listen(...parameters), {
      message: 'Function requires at least 2 arguments.',
    });
  }
});

own('listen wants a callback', (t) => {
  const made = app(t);
  for (const parameters of [[0, 0], [0, 0, null], ['127.0.0.1', 0, 0, {}]]) {
    assert.throws(() => made.listen(...parameters), {
      message: 'Passed callback is not a valid function.',
    });
  }
});

own('ports have 16 bits', (t) => {
  const made = app(t);
  for (const port of [-1, 65536, 1.5, NaN]) {
    assert.throws(() => made.listen(port, () => {}), RangeError);
    assert.throws(() => made.listen('127.0.0.1', port, () => {}), RangeError);
  }
});

both('what the callback of listen throws comes out of listen', (t) => {
  assert.throws(() => {
    app(t).listen(0, () => {
      throw new Error('thrown by the callback');
    });
  }, { message: 'thrown by the callback' });
});

both('listen_unix listens on a path', async (t) => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'keirin-'));
  t.after(() => fs.rmSync(folder, { recursive: true }));
  const file = path.join(folder, 'socket');
  const tokens = [];
  const made = app(t);
  assert.equal(made.listen_unix((token) => tokens.push(token), file), made);
  assert.equal(tokens.length, 1);
  assert.ok(tokens[0]);
  const client = await connect(t, { path: file });
  client.write(request('GET', '/'));
  assert.equal((await client.response()).text, 'hello');
  uws.us_listen_socket_close(tokens[0]);
  assert.equal(await refused({ path: file }), true);
});

both('listen_unix gives false for a path that cannot be', (t) => {
  const values = [];
  app(t).listen_unix((value) => values.push(value), '/nonexistent/folder/socket');
  assert.deepEqual(values, [false]);
});

own('the token of a path has no port', (t) => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'keirin-'));
  t.after(() => fs.rmSync(folder, { recursive: true }));
  let port;
  app(t).listen_unix((token) => {
    port = uws.us_socket_local_port(token);
  }, path.join(folder, 'socket'));
  assert.equal(port, -1);
});

both('a port behind a host may be text', (t) => {
  let token;
  app(t).listen('127.0.0.1', '0', (value) => {
    token = value;
  });
  assert.ok(uws.us_socket_local_port(token) > 0);
});

own('text that is no port is refused', (t) => {
  for (const port of ['', 'x', '1.5', '-1', '65536']) {
    assert.throws(() => app(t).listen('127.0.0.1', port, () => {}), RangeError, port);
  }
});
