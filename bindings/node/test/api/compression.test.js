'use strict';

const assert = require('node:assert/strict');
const zlib = require('node:zlib');
const { uws, both, own } = require('./support/implementation');
const { serve } = require('./support/server');
const { connect, request } = require('./support/raw');
const { open, HANDSHAKE, frame, takeFrame } = require('./support/websocket');
const { until, deferred } = require('./support/wait');

const COMPRESSORS = [
  'SHARED_COMPRESSOR', 'DEDICATED_COMPRESSOR', 'DEDICATED_COMPRESSOR_3KB',
  'DEDICATED_COMPRESSOR_4KB', 'DEDICATED_COMPRESSOR_8KB', 'DEDICATED_COMPRESSOR_16KB',
  'DEDICATED_COMPRESSOR_32KB', 'DEDICATED_COMPRESSOR_64KB', 'DEDICATED_COMPRESSOR_128KB',
  'DEDICATED_COMPRESSOR_256KB',
];

const DECOMPRESSORS = [
  'SHARED_DECOMPRESSOR', 'DEDICATED_DECOMPRESSOR', 'DEDICATED_DECOMPRESSOR_512B',
  'DEDICATED_DECOMPRESSOR_1KB', 'DEDICATED_DECOMPRESSOR_2KB', 'DEDICATED_DECOMPRESSOR_4KB',
  'DEDICATED_DECOMPRESSOR_8KB', 'DEDICATED_DECOMPRESSOR_16KB', 'DEDICATED_DECOMPRESSOR_32KB',
];

/** Text that compresses well, a different one for each number. */
function text(number, length = 4000) {
  return `${number} lorem ipsum dolor sit amet, `.repeat(length / 10).slice(0, length);
}

function echoing(t, compression, behaviour = {}) {
  return serve(t, (app) => {
    app.ws('/*', {
      compression,
      maxPayloadLength: 1 << 20,
      message: (ws, message, isBinary) => ws.send(message, isBinary, true),
      ...behaviour,
    });
  });
}

async function echoes(client) {
  for (let number = 0; number < 5; number++) {
    client.send(text(number), { compress: true });
    assert.equal(await client.text(), text(number));
  }
  const data = Buffer.from(text(9, 300_000));
  client.send(data, { compress: true });
  assert.ok((await client.binary()).equals(data));
  client.send('');
  assert.equal(await client.text(), '');
}

for (const compressor of COMPRESSORS) {
  both(`${compressor} and every decompressor with a real client`, async (t) => {
    for (const decompressor of DECOMPRESSORS) {
      const { port } = echoing(t, uws[compressor] | uws[decompressor]);
      const client = await open(t, port, '/', [], { perMessageDeflate: true });
      assert.match(client.socket.extensions, /permessage-deflate/, decompressor);
      await echoes(client);
      const { bytesRead, bytesWritten } = client.socket._socket;
      assert.ok(bytesRead < 50_000, `${bytesRead} bytes came`);
      assert.ok(bytesWritten < 50_000, `${bytesWritten} bytes went`);
    }
  });
}

for (const [name, options] of Object.entries({
  'no context of the client': { clientNoContextTakeover: true },
  'no context of the server': { serverNoContextTakeover: true },
  'a window of the client of 9': { clientMaxWindowBits: 9 },
  'a window of the client of 10': { clientMaxWindowBits: 10 },
})) {
  both(`a client that asks for ${name}`, async (t) => {
    for (const compression of [
      uws.SHARED_COMPRESSOR | uws.SHARED_DECOMPRESSOR,
      uws.DEDICATED_COMPRESSOR_4KB | uws.DEDICATED_DECOMPRESSOR,
    ]) {
      const { port } = echoing(t, compression);
      const client = await open(t, port, '/', [], { perMessageDeflate: options });
      await echoes(client);
    }
  });
}

own('a client that asks for a small window of the server', async (t) => {
  for (const serverMaxWindowBits of [9, 10, 14, 15]) {
    const { port } = echoing(t, uws.DEDICATED_COMPRESSOR | uws.DEDICATED_DECOMPRESSOR);
    const client = await open(t, port, '/', [], { perMessageDeflate: { serverMaxWindowBits } });
    await echoes(client);
  }
});

both('without compression none is agreed to', async (t) => {
  for (const compression of [uws.DISABLED, undefined]) {
    const { port } = echoing(t, compression);
    const client = await open(t, port, '/', [], { perMessageDeflate: true });
    assert.equal(client.socket.extensions, '');
    client.send(text(1));
    assert.equal(await client.text(), text(1));
  }
});

both('a client that offers none has none', async (t) => {
  const { port } = echoing(t, uws.SHARED_COMPRESSOR | uws.SHARED_DECOMPRESSOR);
  const client = await open(t, port);
  assert.equal(client.socket.extensions, '');
  client.send(text(1));
  assert.equal(await client.text(), text(1));
});

/** A raw client that has offered compression, and its server's socket. */
async function rawDeflate(t, compression, behaviour = {}) {
  const opened = deferred();
  const { app, port } = serve(t, (app) => {
    app.ws('/*', { compression, ...behaviour, open: opened.resolve });
  });
  const client = await connect(t, port);
  client.write(request('GET', '/', {
    ...HANDSHAKE, 'Sec-WebSocket-Extensions': 'permessage-deflate',
  }));
  const { fields } = await client.head();
  const header = Object.fromEntries(fields.map(([key, value]) => [key.toLowerCase(), value]));
  return {
    app, client, ws: await opened.promise, agreed: header['sec-websocket-extensions'],
  };
}

function inflate(data, windowBits = 15) {
  const tail = Buffer.from([0, 0, 255, 255]);
  return zlib.inflateRawSync(Buffer.concat([data, tail]), {
    windowBits, finishFlush: zlib.constants.Z_SYNC_FLUSH,
  }).toString();
}

both('only what is sent with compress is compressed', async (t) => {
  const { client, ws } = await rawDeflate(t, uws.SHARED_COMPRESSOR);
  ws.send(text(1), false, true);
  ws.send(text(2), false, false);
  ws.send(text(3));
  ws.send(text(4), true, true);
  const frames = [];
  for (let count = 0; count < 4; count++) {
    frames.push(await takeFrame(client));
  }
  assert.deepEqual(frames.map(({ rsv }) => rsv), [4, 0, 0, 4]);
  assert.deepEqual(frames.map(({ opcode }) => opcode), [1, 1, 1, 2]);
  assert.equal(inflate(frames[0].data), text(1));
  assert.equal(frames[1].data.toString(), text(2));
  assert.equal(inflate(frames[3].data), text(4));
});

both('a shared compressor keeps nothing between messages', async (t) => {
  const { client, ws, agreed } = await rawDeflate(t, uws.SHARED_COMPRESSOR);
  assert.match(agreed, /server_no_context_takeover/);
  for (let count = 0; count < 3; count++) {
    ws.send(text(1), false, true);
    assert.equal(inflate((await takeFrame(client)).data), text(1));
  }
});

own('a dedicated compressor keeps what was sent', async (t) => {
  const { client, ws, agreed } = await rawDeflate(t, uws.DEDICATED_COMPRESSOR);
  assert.doesNotMatch(agreed, /server_no_context_takeover/);
  const secret = Buffer.from(Array.from({ length: 500 }, (_, at) => 33 + (at * at) % 90));
  ws.send(secret, false, true);
  const first = await takeFrame(client);
  ws.send(secret, false, true);
  const second = await takeFrame(client);
  assert.ok(second.data.length < first.data.length / 4);
});

own('a dedicated compressor announces its window', async (t) => {
  const windows = {
    DEDICATED_COMPRESSOR_4KB: 9,
    DEDICATED_COMPRESSOR_8KB: 10,
    DEDICATED_COMPRESSOR_16KB: 11,
    DEDICATED_COMPRESSOR_32KB: 12,
    DEDICATED_COMPRESSOR_64KB: 13,
    DEDICATED_COMPRESSOR_128KB: 14,
  };
  for (const [name, bits] of Object.entries(windows)) {
    const { client, ws, agreed } = await rawDeflate(t, uws[name]);
    assert.match(agreed, new RegExp(`server_max_window_bits=${bits}(;|$)`), name);
    const long = Buffer.from(Array.from({ length: 40_000 }, (_, at) => 33 + (at * at * 7) % 90));
    ws.send(long, false, true);
    const { rsv, data } = await takeFrame(client);
    assert.equal(rsv === 4 ? inflate(data, bits) : data.toString(), long.toString(), name);
  }
});

own('fragments that are compressed are one message', async (t) => {
  for (const compressor of [uws.SHARED_COMPRESSOR, uws.DEDICATED_COMPRESSOR]) {
    const opened = deferred();
    const { port } = serve(t, (app) => {
      app.ws('/*', { compression: compressor, open: opened.resolve });
    });
    const client = await open(t, port, '/', [], { perMessageDeflate: true });
    const ws = await opened.promise;
    for (let number = 0; number < 3; number++) {
      ws.sendFirstFragment(text(number), false, true);
      ws.sendFragment(text(number + 1), true);
      ws.sendLastFragment(text(number + 2), true);
      assert.equal(await client.text(), text(number) + text(number + 1) + text(number + 2));
    }
  }
});

both('publishing with compress reaches clients with and without it', async (t) => {
  const { app, port } = serve(t, (app) => {
    app.ws('/*', {
      compression: uws.SHARED_COMPRESSOR,
      open: (ws) => {
        ws.subscribe('news');
        ws.send('ready');
      },
    });
  });
  const clients = [
    await open(t, port, '/', [], { perMessageDeflate: true }),
    await open(t, port),
    await open(t, port, '/', [], { perMessageDeflate: true }),
  ];
  for (const client of clients) {
    await client.text();
  }
  app.publish('news', text(1), false, true);
  app.publish('news', text(2, 40_000), true, true);
  app.publish('news', text(3));
  for (const client of clients) {
    assert.equal(await client.text(), text(1));
    assert.equal((await client.binary()).toString(), text(2, 40_000));
    assert.equal(await client.text(), text(3));
  }
});

both('a limit holds for what a message inflates to', async (t) => {
  const lengths = [];
  const closes = [];
  const { port } = serve(t, (app) => {
    app.ws('/*', {
      compression: uws.SHARED_COMPRESSOR | uws.SHARED_DECOMPRESSOR,
      maxPayloadLength: 10_000,
      message: (ws, message) => lengths.push(message.byteLength),
      close: (ws, code, message) => {
        closes.push([code, Buffer.from(Buffer.from(message)).toString()]);
      },
    });
  });
  const client = await open(t, port, '/', [], { perMessageDeflate: true });
  client.send('x'.repeat(10_000));
  await until(() => lengths.length === 1);
  client.send('x'.repeat(10_001));
  await client.take('close');
  await until(() => closes.length === 1);
  assert.deepEqual(lengths, [10_000]);
  assert.equal(closes[0][0], 1006);
  assert.match(closes[0][1], /^Received too big message/);
});

both('data that does not inflate closes', async (t) => {
  const closes = [];
  const { client } = await rawDeflate(t, uws.SHARED_COMPRESSOR | uws.SHARED_DECOMPRESSOR, {
    message: () => assert.fail('a message'),
    close: (ws, code) => closes.push(code),
  });
  client.write(frame(1, Buffer.from([0xff, 0xff, 0xff, 0xff]), { rsv: 4 }));
  await until(() => closes.length === 1);
  assert.deepEqual(closes, [1006]);
  await client.ended();
});
