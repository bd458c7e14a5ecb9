'use strict';

const assert = require('node:assert/strict');
const { both, own, isKeirin } = require('./support/implementation');
const { serve } = require('./support/server');
const { connect, request } = require('./support/raw');
const { open, HANDSHAKE, frame, takeFrame } = require('./support/websocket');
const { deferred, until, sleep } = require('./support/wait');

function limited(t, behaviour) {
  const seen = { sockets: [], lengths: [], closes: [], dropped: [], drained: 0 };
  const served = serve(t, (app) => {
    app.ws('/*', {
      message: (ws, message) => seen.lengths.push(message.byteLength),
      dropped: (ws, message, isBinary) => seen.dropped.push([message.byteLength, isBinary]),
      drain: () => {
        seen.drained += 1;
      },
      ...behaviour,
      open: (ws) => {
        seen.sockets.push(ws);
        behaviour.open?.(ws);
      },
      close: (ws, code, message) => {
        seen.closes.push([code, Buffer.from(Buffer.from(message)).toString()]);
      },
    });
  });
  return { ...served, ...seen, seen };
}

async function rawOpen(t, port) {
  const client = await connect(t, port);
  client.write(request('GET', '/', HANDSHAKE));
  await client.head();
  return client;
}

const LARGEST = [
  ['by default', {}, 16384],
  ['of 100 bytes', { maxPayloadLength: 100 }, 100],
  ['of a mebibyte', { maxPayloadLength: 1 << 20 }, 1 << 20],
];

for (const [name, behaviour, limit] of LARGEST) {
  both(`a message at the limit ${name} is taken`, async (t) => {
    const { port, lengths, closes } = limited(t, behaviour);
    const client = await open(t, port);
    client.send('x'.repeat(limit));
    client.send(Buffer.alloc(limit));
    await until(() => lengths.length === 2 || closes.length > 0);
    assert.deepEqual(lengths, [limit, limit]);
  });

  both(`a message above the limit ${name} closes`, async (t) => {
    const { port, lengths, closes } = limited(t, behaviour);
    const client = await rawOpen(t, port);
    client.write(frame(2, Buffer.alloc(limit + 1)));
    await until(() => closes.length > 0);
    assert.deepEqual(closes, [[1006, 'Received too big message']]);
    assert.deepEqual(lengths, []);
    if (isKeirin) {
      const { opcode, data } = await takeFrame(client);
      assert.deepEqual([opcode, data.readUInt16BE(0)], [8, 1009]);
    }
  });

  both(`fragments count together at the limit ${name}`, async (t) => {
    const { port, lengths, closes } = limited(t, behaviour);
    const client = await rawOpen(t, port);
    const half = limit / 2;
    client.write(frame(2, Buffer.alloc(half), { fin: false }));
    client.write(frame(0, Buffer.alloc(half)));
    await until(() => lengths.length === 1);
    client.write(frame(2, Buffer.alloc(half), { fin: false }));
    client.write(frame(0, Buffer.alloc(half + 1)));
    await until(() => closes.length > 0);
    assert.deepEqual(closes, [[1006, 'Received too big message']]);
    assert.deepEqual(lengths, [limit]);
  });
}

/** Sends to a client that does not read until `send` says that a message was dropped. */
async function fill(t, behaviour, length = 65536) {
  const served = limited(t, behaviour);
  const client = await rawOpen(t, served.port);
  client.socket.pause();
  await until(() => served.sockets.length === 1);
  const [ws] = served.sockets;
  const results = [];
  const message = Buffer.alloc(length, 'abc');
  for (let count = 0; count < 1000 && results.at(-1) !== 2; count++) {
    results.push(ws.send(message, true));
  }
  return { ...served, client, ws, results, message };
}

both('send gives 1, then 0, then 2', async (t) => {
  const limit = 256 * 1024;
  const { ws, results, seen, client, message } = await fill(t, { maxBackpressure: limit });
  const firstQueued = results.indexOf(0);
  const firstDropped = results.indexOf(2);
  assert.ok(firstQueued > 0, 'some were taken');
  assert.ok(firstDropped > firstQueued, 'some had to wait');
  assert.ok(results.slice(0, firstQueued).every((result) => result === 1));
  assert.ok(results.slice(firstQueued, firstDropped).every((result) => result === 0));
  const buffered = ws.getBufferedAmount();
  assert.ok(buffered > 0 && buffered <= limit + message.length + 100, `${buffered} are buffered`);
  await until(() => seen.dropped.length === 1);
  assert.deepEqual(seen.dropped, [[message.length, true]]);
  client.socket.resume();
  for (let count = 0; count < firstDropped; count++) {
    const { opcode, data } = await takeFrame(client);
    assert.equal(opcode, 2);
    assert.ok(data.equals(message));
  }
  await until(() => seen.drained > 0 && ws.getBufferedAmount() === 0);
  assert.equal(ws.send('again'), 1);
  assert.equal((await takeFrame(client)).data.toString(), 'again');
});

both('dropped is told of text too, and its data is detached', async (t) => {
  const kept = [];
  const { ws } = await fill(t, {
    maxBackpressure: 65536,
    dropped: (socket, message, isBinary) => kept.push([socket, message, isBinary]),
  });
  await until(() => kept.length === 1);
  kept.length = 0;
  ws.send('x'.repeat(70_000));
  await until(() => kept.length === 1);
  assert.equal(kept[0][0], ws);
  assert.equal(kept[0][1].byteLength, 0);
  assert.equal(kept[0][2], false);
});

own('dropped comes after the callback that caused it', async (t) => {
  const order = [];
  const { port } = serve(t, (app) => {
    app.ws('/*', {
      maxBackpressure: 65536,
      message: (ws) => {
        setImmediate(() => order.push('next turn'));
        const message = Buffer.alloc(65536);
        while (ws.send(message) !== 2);
        order.push('sent');
      },
      dropped: () => order.push('dropped'),
    });
  });
  const client = await rawOpen(t, port);
  client.socket.pause();
  client.write(frame(1, 'go'));
  await until(() => order.includes('next turn'));
  assert.deepEqual(order, ['sent', 'dropped', 'next turn']);
});

both('without a limit nothing is dropped', async (t) => {
  const { port, sockets, seen } = limited(t, { maxBackpressure: 0 });
  const client = await rawOpen(t, port);
  client.socket.pause();
  await until(() => sockets.length === 1);
  const message = Buffer.alloc(1 << 20, 'abc');
  const results = new Set();
  for (let count = 0; count < 30; count++) {
    results.add(sockets[0].send(message, true));
  }
  assert.equal(results.has(2), false);
  assert.equal(results.has(0), true);
  client.socket.resume();
  for (let count = 0; count < 30; count++) {
    assert.ok((await takeFrame(client)).data.equals(message));
  }
  assert.deepEqual(seen.dropped, []);
});

both('closeOnBackpressureLimit closes who reads too slowly', async (t) => {
  const { seen, client } = await fill(t, {
    maxBackpressure: 65536, closeOnBackpressureLimit: true,
  });
  client.socket.resume();
  await until(() => seen.closes.length === 1);
  await client.ended();
  assert.equal(seen.closes.length, 1);
});

both('without it who reads too slowly stays', async (t) => {
  const { seen, client, ws } = await fill(t, { maxBackpressure: 65536 });
  client.socket.resume();
  await until(() => seen.drained > 0 && ws.getBufferedAmount() === 0);
  assert.equal(ws.send('still here'), 1);
  assert.deepEqual(seen.closes, []);
});

own('idleTimeout closes who says nothing', async (t) => {
  const { port, closes } = limited(t, { idleTimeout: 0.05, sendPingsAutomatically: false });
  const client = await open(t, port);
  await client.take('close');
  await until(() => closes.length > 0);
  assert.deepEqual(closes, [[1006, 'WebSocket timed out from inactivity']]);
});

own('idleTimeout 0 is off', async (t) => {
  const { app, port, closes } = limited(t, { idleTimeout: 0, sendPingsAutomatically: false });
  const others = [];
  app.ws('/timed', {
    idleTimeout: 0.05, sendPingsAutomatically: false, close: () => others.push('closed'),
  });
  await open(t, port);
  for (let count = 0; count < 3; count++) {
    const timed = await open(t, port, '/timed');
    await timed.take('close');
  }
  assert.equal(others.length, 3);
  assert.deepEqual(closes, []);
});

own('messages keep a socket from timing out', async (t) => {
  const { port, closes, lengths } = limited(t, { idleTimeout: 1, sendPingsAutomatically: false });
  const client = await open(t, port);
  const silent = await open(t, port);
  const sending = setInterval(() => client.send('x'), 50);
  t.after(() => clearInterval(sending));
  await silent.take('close');
  assert.equal(closes.length, 1);
  const before = lengths.length;
  await until(() => lengths.length > before);
});

own('pings are sent by themselves, and their pongs keep a socket open', async (t) => {
  const { port, closes } = limited(t, { idleTimeout: 0.5 });
  const client = await open(t, port);
  const mute = await open(t, port, '/', [], { autoPong: false });
  for (let count = 0; count < 3; count++) {
    await client.take('ping');
  }
  await mute.take('ping');
  let event = await mute.event();
  while (event.type === 'ping') {
    event = await mute.event();
  }
  assert.equal(event.type, 'close');
  await until(() => closes.length > 0);
  assert.deepEqual(closes, [[1006, 'WebSocket timed out from inactivity']]);
});

own('without sendPingsAutomatically there are none', async (t) => {
  const { port } = limited(t, { idleTimeout: 0.2, sendPingsAutomatically: false });
  const client = await open(t, port);
  assert.equal((await client.event()).type, 'close');
});

own('maxLifetime ends a socket with a request to come again', async (t) => {
  const { port, closes } = limited(t, { maxLifetime: 0.002 });
  const client = await open(t, port);
  const { code, reason } = await client.take('close');
  assert.deepEqual([code, reason], [1000, 'please reconnect']);
  await until(() => closes.length > 0);
  assert.deepEqual(closes, [[1000, 'please reconnect']]);
});

both('maxLifetime 0 is off', async (t) => {
  const { port, lengths } = limited(t, { maxLifetime: 0 });
  const client = await open(t, port);
  client.send('x');
  await until(() => lengths.length === 1);
});

const INVALID = {
  idleTimeout: [-1, -0.5, NaN, Infinity, 'soon', {}],
  maxPayloadLength: [-1, NaN, Infinity, 'x', {}],
  maxBackpressure: [-1, NaN, Infinity, 'x', {}],
  maxLifetime: [-1, NaN, Infinity, 'x'],
  compression: [-1, NaN, 0.5, 'x', 16],
};

for (const [name, values] of Object.entries(INVALID)) {
  own(`${name} out of range is refused by its name`, (t) => {
    serve(t, (app) => {
      for (const value of values) {
        assert.throws(() => app.ws('/*', { [name]: value }), (error) => {
          assert.ok(error instanceof RangeError || error instanceof TypeError, String(error));
          assert.match(error.message, new RegExp(name));
          return true;
        }, `${name}: ${String(value)}`);
      }
    });
  });
}

own('any idleTimeout at or above 0 is taken', (t) => {
  serve(t, (app) => {
    for (const idleTimeout of [0, 0.5, 1, 7, 8, 960, 961, 100_000]) {
      app.ws('/*', { idleTimeout });
    }
  });
});

both('the values of uWebSockets.js are taken', (t) => {
  serve(t, (app) => {
    for (const idleTimeout of [0, 8, 9, 960]) {
      app.ws('/*', { idleTimeout });
    }
    for (const maxLifetime of [0, 1, 239]) {
      app.ws('/*', { maxLifetime });
    }
    for (const maxBackpressure of [0, 1, 65536, 1 << 30]) {
      app.ws('/*', { maxBackpressure });
    }
    for (const maxPayloadLength of [1, 16384, 1 << 30]) {
      app.ws('/*', { maxPayloadLength });
    }
  });
});

own('a behaviour has to be an object', (t) => {
  serve(t, (app) => {
    for (const value of [null, 1, 'text']) {
      assert.throws(() => app.ws('/*', value), TypeError);
    }
  });
});

own('control frames are told while a socket reads too slowly', async (t) => {
  const pings = deferred();
  const { client } = await fill(t, { maxBackpressure: 65536, ping: () => pings.resolve() });
  client.write(frame(9, 'hello'));
  await pings.promise;
  await sleep(0);
});
