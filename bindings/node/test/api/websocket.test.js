'use strict';

const assert = require('node:assert/strict');
const { both, own } = require('./support/implementation');
const { serve } = require('./support/server');
const { connect, request } = require('./support/raw');
const { open, HANDSHAKE, takeFrame } = require('./support/websocket');
const { deferred, until } = require('./support/wait');

/** Serves one kind of WebSocket; resolves with its first socket and the client. */
async function pair(t, behaviour = {}) {
  const opened = deferred();
  const { app, port } = serve(t, (app) => {
    app.ws('/*', {
      ...behaviour,
      open: (ws) => {
        behaviour.open?.(ws);
        opened.resolve(ws);
      },
    });
  });
  const client = await open(t, port);
  return { app, port, client, ws: await opened.promise };
}

both('messages come as ArrayBuffer and go as text or binary', async (t) => {
  const kinds = [];
  const { client } = await pair(t, {
    message: (ws, message, isBinary) => {
      kinds.push([message instanceof ArrayBuffer, isBinary]);
      assert.equal(ws.send(message, isBinary), 1);
    },
  });
  client.send('text \u20ac');
  assert.equal(await client.text(), 'text \u20ac');
  client.send(Buffer.from([0, 255, 128]));
  assert.deepEqual([...await client.binary()], [0, 255, 128]);
  client.send('');
  assert.equal(await client.text(), '');
  assert.deepEqual(kinds, [[true, false], [true, true], [true, false]]);
});

both('a message is detached after its callback', async (t) => {
  const kept = [];
  const { client } = await pair(t, {
    message: (ws, message) => {
      kept.push(message, message.byteLength);
      ws.send('done');
    },
  });
  client.send('hello');
  await client.text();
  assert.equal(kept[1], 5);
  assert.equal(kept[0].byteLength, 0);
});

both('send takes every kind of string, and lacks trailing arguments', async (t) => {
  const { client, ws } = await pair(t);
  ws.send('text');
  assert.equal(await client.text(), 'text');
  ws.send(new Uint8Array([65, 66]).buffer, undefined, undefined);
  assert.equal(await client.text(), 'AB');
  ws.send(Buffer.from('CD'), true, null);
  assert.equal((await client.binary()).toString(), 'CD');
  ws.send(undefined);
  assert.equal(await client.text(), '');
});

both('messages of every length of length', async (t) => {
  const { client, ws } = await pair(t, { maxBackpressure: 0 });
  for (const length of [0, 1, 125, 126, 127, 65535, 65536, 300_000]) {
    const data = Buffer.alloc(length, 'abc');
    ws.send(data, true);
    assert.ok((await client.binary()).equals(data));
  }
});

both('fragments are one message', async (t) => {
  const { client, ws } = await pair(t);
  assert.equal(ws.sendFirstFragment('one '), 1);
  assert.equal(ws.sendFragment('two '), 1);
  assert.equal(ws.sendLastFragment('three'), 1);
  assert.equal(await client.text(), 'one two three');
  ws.sendFirstFragment(Buffer.from([1]), true);
  ws.sendLastFragment(Buffer.from([2]));
  assert.deepEqual([...await client.binary()], [1, 2]);
});

both('fragments are frames', async (t) => {
  const opened = deferred();
  const { port } = serve(t, (app) => app.ws('/*', { open: opened.resolve }));
  const client = await connect(t, port);
  client.write(request('GET', '/', HANDSHAKE));
  await client.head();
  const ws = await opened.promise;
  ws.sendFirstFragment('a', true);
  ws.sendFragment('b');
  ws.ping('p');
  ws.sendLastFragment('c');
  const frames = [];
  for (let count = 0; count < 4; count++) {
    const { fin, rsv, opcode, masked, data } = await takeFrame(client);
    frames.push([fin, rsv, opcode, masked, data.toString()]);
  }
  assert.deepEqual(frames, [
    [false, 0, 2, false, 'a'],
    [false, 0, 0, false, 'b'],
    [true, 0, 9, false, 'p'],
    [true, 0, 0, false, 'c'],
  ]);
});

both('fragments of a client are one message', async (t) => {
  const messages = [];
  const { client } = await pair(t, {
    message: (ws, message) => {
      messages.push(Buffer.from(Buffer.from(message)).toString());
      ws.send('got');
    },
  });
  client.send('one ', { fin: false });
  client.send('two ', { fin: false });
  client.send('three', { fin: true });
  await client.text();
  assert.deepEqual(messages, ['one two three']);
});

both('a ping is answered and told', async (t) => {
  const pings = [];
  const { client } = await pair(t, {
    ping: (ws, message) => pings.push(Buffer.from(Buffer.from(message)).toString()),
  });
  client.socket.ping('are you there');
  assert.equal((await client.take('pong')).data.toString(), 'are you there');
  client.socket.ping();
  assert.equal((await client.take('pong')).data.length, 0);
  await until(() => pings.length === 2);
  assert.deepEqual(pings, ['are you there', '']);
});

both('a pong is told', async (t) => {
  const pongs = [];
  const { client, ws } = await pair(t, {
    pong: (ws, message) => pongs.push(Buffer.from(Buffer.from(message)).toString()),
  });
  assert.equal(ws.ping('hello'), 1);
  assert.equal((await client.take('ping')).data.toString(), 'hello');
  await until(() => pongs.length === 1);
  ws.ping();
  await client.take('ping');
  await until(() => pongs.length === 2);
  assert.deepEqual(pongs, ['hello', '']);
});

own('pings and pongs are detached after their callback', async (t) => {
  const kept = [];
  const { client, ws } = await pair(t, {
    ping: (_, message) => kept.push(message, message.byteLength),
    pong: (_, message) => kept.push(message, message.byteLength),
  });
  client.socket.ping('abc');
  await client.take('pong');
  ws.ping('abcd');
  await client.take('ping');
  await until(() => kept.length === 4);
  assert.deepEqual([kept[1], kept[3]], [3, 4]);
  assert.deepEqual([kept[0].byteLength, kept[2].byteLength], [0, 0]);
});

own('addresses of the client at any time', async (t) => {
  const { client, ws } = await pair(t);
  const hex = Buffer.from(ws.getRemoteAddress()).toString('hex');
  assert.equal(hex, '00000000000000000000ffff7f000001');
  const text = Buffer.from(ws.getRemoteAddressAsText()).toString();
  assert.equal(text, '0000:0000:0000:0000:0000:ffff:7f00:0001');
  assert.equal(ws.getRemotePort(), client.socket._socket.localPort);
});

both('cork runs its callback at once, and returns the socket', async (t) => {
  const { client, ws } = await pair(t);
  let ran = 0;
  assert.equal(ws.cork(() => {
    ran += 1;
    ws.send('one');
    ws.send('two');
  }), ws);
  assert.equal(ran, 1);
  assert.equal(await client.text(), 'one');
  assert.equal(await client.text(), 'two');
});

both('what the callback of cork throws comes out of it', async (t) => {
  const { client, ws } = await pair(t);
  assert.throws(() => ws.cork(() => {
    throw new Error('thrown inside');
  }), { message: 'thrown inside' });
  ws.send('well');
  assert.equal(await client.text(), 'well');
});

both('getUserData is the socket, which takes properties of the user', async (t) => {
  const { ws } = await pair(t);
  assert.equal(ws.getUserData(), ws);
  ws.mine = 1;
  assert.equal(ws.getUserData().mine, 1);
});

both('getBufferedAmount is 0 when all was taken', async (t) => {
  const { client, ws } = await pair(t);
  assert.equal(ws.getBufferedAmount(), 0);
  ws.send('x');
  await client.text();
  assert.equal(ws.getBufferedAmount(), 0);
});

both('messages come in the order of the calls', async (t) => {
  const { client, ws } = await pair(t, { maxBackpressure: 0 });
  for (let number = 0; number < 2000; number++) {
    ws.send(String(number));
  }
  for (let number = 0; number < 2000; number++) {
    assert.equal(await client.text(), String(number));
  }
});

both('the same socket object comes to every handler', async (t) => {
  const seen = [];
  const { client, ws } = await pair(t, {
    message: (ws) => seen.push(ws),
    ping: (ws) => seen.push(ws),
    close: (ws) => seen.push(ws),
  });
  client.send('x');
  client.socket.ping();
  client.socket.close();
  await until(() => seen.length === 3);
  assert.ok(seen.every((each) => each === ws));
  assert.equal(ws.constructor.name, 'uWS.WebSocket');
});

own('callbacks of a kind of WebSocket have to be functions', (t) => {
  const names = [
    'upgrade', 'open', 'message', 'dropped', 'drain', 'close', 'ping', 'pong', 'subscription',
  ];
  serve(t, (app) => {
    for (const name of names) {
      for (const value of [1, 'text', {}]) {
        assert.throws(() => app.ws('/*', { [name]: value }), {
          message: 'Passed callback is not a valid function.',
        }, name);
      }
      app.ws(`/${name}`, { [name]: undefined });
    }
  });
});

both('unknown keys and undefined values of a behaviour are ignored', async (t) => {
  const { client } = await pair(t, {
    unknown: 1,
    compression: undefined,
    maxPayloadLength: undefined,
    idleTimeout: undefined,
    maxBackpressure: undefined,
    message: (ws, message) => ws.send(message),
  });
  client.send('well');
  assert.equal(await client.text(), 'well');
});
