'use strict';

const assert = require('node:assert/strict');
const { both, own, ownInBothModes, isKeirin } = require('./support/implementation');
const { serve } = require('./support/server');
const { connect, request } = require('./support/raw');
const { open, HANDSHAKE, frame, takeFrame } = require('./support/websocket');
const { deferred, until } = require('./support/wait');

const CLOSED = 'Invalid access of closed uWS.WebSocket/SSLWebSocket.';

/** Serves; `closes` collects what the close handler is told. */
function closing(t, behaviour = {}, options) {
  const closes = [];
  const sockets = [];
  const served = serve(t, (app) => {
    app.ws('/*', {
      ...behaviour,
      open: (ws) => {
        sockets.push(ws);
        behaviour.open?.(ws);
      },
      close: (ws, code, message) => {
        assert.ok(message instanceof ArrayBuffer);
        closes.push([code, Buffer.from(Buffer.from(message)).toString()]);
        behaviour.close?.(ws, code, message);
      },
    });
  }, options);
  return { ...served, closes, sockets };
}

async function rawOpen(t, port) {
  const client = await connect(t, port);
  client.write(request('GET', '/', HANDSHAKE));
  await client.head();
  return client;
}

for (const [code, reason] of [[1000, 'bye'], [1001, ''], [1011, 'x'.repeat(123)], [4000, 'mine'],
  [4999, 'last']]) {
  both(`end(${code}) with ${reason.length} bytes`, async (t) => {
    const { port, closes } = closing(t, { message: (ws) => ws.end(code, reason) });
    const client = await open(t, port);
    client.send('x');
    const event = await client.take('close');
    assert.deepEqual([event.code, event.reason], [code, reason]);
    assert.deepEqual(closes, [[code, reason]]);
  });

  both(`the client closes with ${code} and ${reason.length} bytes`, async (t) => {
    const { port, closes } = closing(t);
    const client = await open(t, port);
    client.socket.close(code, reason);
    const event = await client.take('close');
    assert.equal(event.code, code);
    await until(() => closes.length > 0);
    assert.deepEqual(closes, [[code, reason]]);
  });
}

own('the client closes with codes of registered ranges', async (t) => {
  for (const code of [1012, 1013, 1014, 3000, 3999]) {
    const { port, closes } = closing(t);
    const client = await open(t, port);
    client.socket.close(code, 'why');
    await until(() => closes.length > 0);
    assert.deepEqual(closes, [[code, 'why']]);
  }
});

both('end without a code', async (t) => {
  const { port, closes } = closing(t, { message: (ws) => ws.end() });
  const client = await open(t, port);
  client.send('x');
  assert.equal((await client.take('close')).code, 1005);
  assert.equal(closes.length, 1);
});

both('the client closes without a code', async (t) => {
  const { port, closes } = closing(t);
  const client = await open(t, port);
  client.socket.close();
  await until(() => closes.length > 0);
  assert.deepEqual(closes, [[1005, '']]);
});

both('a reason above 123 bytes is cut', async (t) => {
  const { port } = closing(t, { message: (ws) => ws.end(1000, 'y'.repeat(124)) });
  const client = await open(t, port);
  client.send('x');
  assert.equal((await client.take('close')).reason, 'y'.repeat(123));
});

own('a reason is cut between characters', async (t) => {
  const { port } = closing(t, { message: (ws) => ws.end(1000, '\u20ac'.repeat(50)) });
  const client = await open(t, port);
  client.send('x');
  assert.deepEqual(await client.take('close'), {
    type: 'close', code: 1000, reason: '\u20ac'.repeat(41),
  });
});

both('close cuts the connection, and its handler is told 1006', async (t) => {
  const { port, closes } = closing(t, { message: (ws) => ws.close() });
  const client = await open(t, port);
  client.send('x');
  assert.equal((await client.take('close')).code, 1006);
  assert.deepEqual(closes, [[1006, '']]);
});

both('what was sent before end arrives', async (t) => {
  const { port } = closing(t, {
    maxBackpressure: 0,
    message: (ws) => {
      ws.send('x'.repeat(1_000_000));
      ws.send('last');
      ws.end(1000);
    },
  });
  const client = await open(t, port);
  client.send('x');
  assert.equal((await client.text()).length, 1_000_000);
  assert.equal(await client.text(), 'last');
  assert.equal((await client.take('close')).code, 1000);
});

both('close from a timer is told once', async (t) => {
  const { port, closes, sockets } = closing(t);
  const client = await open(t, port);
  await until(() => sockets.length === 1);
  sockets[0].close();
  assert.equal((await client.take('close')).code, 1006);
  await until(() => closes.length > 0);
  assert.deepEqual(closes, [[1006, '']]);
});

both('end in open', async (t) => {
  const { port, closes } = closing(t, { open: (ws) => ws.end(4001, 'go away') });
  const client = await open(t, port);
  assert.equal((await client.take('close')).code, 4001);
  assert.deepEqual(closes, [[4001, 'go away']]);
});

both('a peer that vanishes is closed with 1006', async (t) => {
  const { port, closes, sockets } = closing(t);
  const client = await open(t, port);
  await until(() => sockets.length === 1);
  client.socket._socket.resetAndDestroy();
  await until(() => closes.length > 0);
  assert.equal(closes[0][0], 1006);
});

both('a FIN before the close frame has its reason', async (t) => {
  const { port, closes } = closing(t);
  const client = await rawOpen(t, port);
  client.end();
  await until(() => closes.length > 0);
  assert.deepEqual(closes, [[1006, 'Received TCP FIN before WebSocket close frame']]);
});

const INVALID = {
  'a reserved bit': frame(1, 'x', { rsv: 2 }),
  'an opcode that is not': frame(3, 'x'),
  'a control opcode that is not': frame(11, 'x'),
  'a control frame of 126 bytes': frame(9, Buffer.alloc(126)),
  'a control frame in fragments': frame(9, 'x', { fin: false }),
  'a continuation of nothing': frame(0, 'x'),
  'a message within a message': Buffer.concat([frame(1, 'x', { fin: false }), frame(1, 'y')]),
  'compression that was not agreed': frame(1, 'x', { rsv: 4 }),
};

for (const [name, bytes] of Object.entries(INVALID)) {
  both(`${name} closes with its reason`, async (t) => {
    const { port, closes } = closing(t);
    const client = await rawOpen(t, port);
    client.write(bytes);
    await until(() => closes.length > 0);
    assert.deepEqual(closes, [[1006, 'Received invalid WebSocket frame']]);
    if (isKeirin) {
      const { opcode, data } = await takeFrame(client);
      assert.deepEqual([opcode, data.readUInt16BE(0)], [8, 1002]);
    }
    await client.ended();
  });
}

own('a frame without a mask closes with 1002', async (t) => {
  const { port, closes } = closing(t);
  const client = await rawOpen(t, port);
  client.write(frame(1, 'x', { masked: false }));
  const { opcode, data } = await takeFrame(client);
  assert.deepEqual([opcode, data.readUInt16BE(0)], [8, 1002]);
  await until(() => closes.length > 0);
  assert.deepEqual(closes, [[1006, 'Received invalid WebSocket frame']]);
});

both('text that is not UTF-8 closes', async (t) => {
  const { port, closes } = closing(t, { message: () => assert.fail('a message') });
  const client = await rawOpen(t, port);
  client.write(frame(1, Buffer.from([0xc3, 0x28])));
  await until(() => closes.length > 0);
  assert.deepEqual(closes, [[1006, 'Received invalid UTF-8']]);
  if (isKeirin) {
    assert.equal((await takeFrame(client)).data.readUInt16BE(0), 1007);
  }
  await client.ended();
});

both('a close frame that is not valid has its reason', async (t) => {
  for (const payload of [[3, 231], [3, 237], [3, 238], [19, 136]]) {
    const { port, closes } = closing(t);
    const client = await rawOpen(t, port);
    client.write(frame(8, Buffer.from(payload)));
    await until(() => closes.length > 0);
    assert.deepEqual(closes, [[1006, 'Received invalid close payload']]);
    await client.ended();
  }
});

both('data of the close handler is detached', async (t) => {
  const kept = [];
  const { port } = closing(t, { close: (ws, code, message) => kept.push(message) });
  const client = await open(t, port);
  client.socket.close(4000, 'reason');
  await until(() => kept.length > 0);
  await client.take('close');
  assert.equal(kept[0].byteLength, 0);
});

both('getUserData and properties stay after the end', async (t) => {
  const seen = deferred();
  const { port } = closing(t, {
    open: (ws) => {
      ws.mine = 'kept';
    },
    close: (ws) => seen.resolve([ws.getUserData() === ws, ws.mine]),
  });
  const client = await open(t, port);
  client.socket.close();
  assert.deepEqual(await seen.promise, [true, 'kept']);
});

const CALLS = {
  send: ['x'],
  sendFirstFragment: ['x'],
  sendFragment: ['x'],
  sendLastFragment: ['x'],
  ping: ['x'],
  publish: ['topic', 'x'],
  subscribe: ['topic'],
  unsubscribe: ['topic'],
  isSubscribed: ['topic'],
  getTopics: [],
  getBufferedAmount: [],
  getRemoteAddress: [],
  getRemoteAddressAsText: [],
  getRemotePort: [],
  cork: [() => {}],
  end: [1000],
  close: [],
};

const EMPTY = {
  send: 2,
  sendFirstFragment: 2,
  sendFragment: 2,
  sendLastFragment: 2,
  ping: 2,
  publish: false,
  subscribe: false,
  unsubscribe: false,
  isSubscribed: false,
  getTopics: [],
  getBufferedAmount: 0,
  end: undefined,
  close: undefined,
};

/** A socket that is closed, and what its close handler got of each call. */
async function closedSocket(t, options) {
  const inside = deferred();
  const { port } = closing(t, {
    open: (ws) => ws.subscribe('topic'),
    close: (ws) => {
      const results = {};
      for (const [name, parameters] of Object.entries(CALLS)) {
        try {
          results[name] = { value: ws[name](...parameters) };
        } catch (error) {
          results[name] = { error };
        }
      }
      inside.resolve({ ws, results });
    },
  }, options);
  const client = await open(t, port);
  client.socket.close(1000);
  await client.take('close');
  return inside.promise;
}

ownInBothModes('calls on a socket that is closed', async (t, strict) => {
  const { ws, results } = await closedSocket(t, { strict });
  for (const [name, parameters] of Object.entries(CALLS)) {
    if (strict) {
      assert.equal(results[name].error?.message, CLOSED, name);
      assert.throws(() => ws[name](...parameters), { message: CLOSED }, name);
    } else {
      assert.equal(results[name].error, undefined, name);
      const value = ws[name](...parameters);
      if (name in EMPTY) {
        assert.deepEqual(value, EMPTY[name], name);
        assert.deepEqual(results[name].value, EMPTY[name], name);
      }
    }
  }
  if (!strict) {
    assert.equal(ws.getRemoteAddress().byteLength, 0);
    assert.equal(ws.getRemoteAddressAsText().byteLength, 0);
    assert.equal(ws.cork(() => {}), ws);
  }
  assert.equal(ws.getUserData(), ws);
});

own('events of a close come right after the callback that caused it', async (t) => {
  const order = [];
  const { port } = closing(t, {
    open: (ws) => ws.subscribe('topic'),
    message: (ws) => {
      setImmediate(() => order.push('next turn'));
      ws.end(1000);
      order.push('ended', ws.send('late'));
    },
    subscription: () => order.push('unsubscribed'),
    close: () => order.push('closed'),
  });
  const client = await open(t, port);
  order.length = 0;
  client.send('x');
  await client.take('close');
  await until(() => order.includes('next turn'));
  const relevant = order.filter((entry) => entry !== 'unsubscribed');
  assert.deepEqual(relevant, ['ended', 2, 'closed', 'next turn']);
});

own('end twice is end once', async (t) => {
  const { port, closes } = closing(t, {
    message: (ws) => {
      ws.end(4001, 'first');
      ws.end(4002, 'second');
      ws.close();
    },
  });
  const client = await open(t, port);
  client.send('x');
  assert.equal((await client.take('close')).code, 4001);
  assert.deepEqual(closes, [[4001, 'first']]);
});

own('a code that must not be sent is refused', async (t) => {
  const results = [];
  const { port } = closing(t, {
    message: (ws) => {
      for (const code of [1, 999, 1004, 1006, 1015, 5000, 65536, -1]) {
        try {
          ws.end(code);
          results.push('nothing');
        } catch (error) {
          results.push(error instanceof RangeError || error instanceof TypeError);
        }
      }
      ws.end(1000);
    },
  });
  const client = await open(t, port);
  client.send('x');
  const { code } = await client.take('close');
  assert.ok(![1, 999, 1004, 1006, 1015, 5000].includes(code), `sent ${code}`);
  assert.equal(results.length, 8);
});
