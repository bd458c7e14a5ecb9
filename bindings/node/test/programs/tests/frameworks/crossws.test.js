'use strict';

const assert = require('node:assert/strict');
const { randomBytes } = require('node:crypto');
const test = require('node:test');
const uws = require('uWebSockets.js');
const { listen } = require('../../support/socket-io');
const websocket = require('../../support/websocket');

async function serve(t, hooks) {
  const { default: adapt } = await import('crossws/adapters/uws');
  const app = uws.App();
  const adapter = adapt({ hooks });
  app.ws('/*', adapter.websocket);
  const port = await listen(app);
  t.after(() => app.close());
  return { adapter, port };
}

test('crossws: messages, topics and those who leave', async (t) => {
  const events = [];
  const { port } = await serve(t, {
    open: (peer) => {
      peer.subscribe('chat');
      peer.send(`from ${peer.remoteAddress}`);
    },
    message: (peer, message) => {
      const text = message.text();
      if (text === 'binary') {
        peer.send(new Uint8Array([0, 255, 10]));
      } else {
        peer.send(`you said ${text}`);
        peer.publish('chat', `somebody said ${text}`);
      }
    },
    close: (peer, { code }) => events.push(code),
  });
  const a = await websocket.open(t, port);
  const b = await websocket.open(t, port);
  const address = /^from (127\.0\.0\.1|0000:.*:7f00:0001)$/;
  assert.match(await a.next(), address);
  assert.match(await b.next(), address);
  for (const text of ['é\u{1f600}', 'x'.repeat(10_000)]) {
    a.send(text);
    assert.equal(await a.next(), `you said ${text}`);
    assert.equal(await b.next(), `somebody said ${text}`);
  }
  a.send('binary');
  assert.deepEqual(await a.next(), Buffer.from([0, 255, 10]));
  await b.close(4001);
  a.send('alone');
  await a.next();
  assert.deepEqual(events, [4001]);
});

test('crossws: an upgrade sets headers and a context, or is refused', async (t) => {
  const { port } = await serve(t, {
    upgrade: (request) => {
      const { searchParams } = new URL(request.url);
      if (!searchParams.has('user')) {
        return new Response('who?', { status: 401, headers: { 'X-Why': 'no user' } });
      }
      return {
        headers: { 'X-User': searchParams.get('user') },
        context: { user: searchParams.get('user') },
      };
    },
    open: (peer) => peer.send(`hello ${peer.context.user} of ${peer.request.headers.get('x-own')}`),
    message: (peer, message) => peer.send(message.uint8Array()),
  });
  assert.equal(await websocket.refusal(t, port, '/'), 401);
  const client = websocket.create(t, port, '/?user=ann', { headers: { 'X-Own': 'a test' } });
  const headers = new Promise((resolve) => {
    client.socket.once('upgrade', (response) => resolve(response.headers));
  });
  assert.equal((await headers)['x-user'], 'ann');
  assert.equal(await client.next(), 'hello ann of a test');
  const data = randomBytes(5000);
  client.send(data);
  assert.deepEqual(await client.next(), data);
});
