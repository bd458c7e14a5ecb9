'use strict';

const assert = require('node:assert/strict');
const { both, own } = require('./support/implementation');
const { serve } = require('./support/server');
const { connect, request } = require('./support/raw');

const SIGNATURE = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');

/** A header of the PROXY protocol, version 2. */
function header({ command = 0x21, family, payload }) {
  const head = Buffer.alloc(4);
  head[0] = command;
  head[1] = family;
  head.writeUInt16BE(payload.length, 2);
  return Buffer.concat([SIGNATURE, head, payload]);
}

function ports(from, to) {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt16BE(from, 0);
  bytes.writeUInt16BE(to, 2);
  return bytes;
}

const V4 = header({
  family: 0x11,
  payload: Buffer.concat([Buffer.from([192, 0, 2, 1, 198, 51, 100, 7]), ports(0x1234, 443)]),
});

const V6_ADDRESS = '20010db8000000000000000000000001';
const V6 = header({
  family: 0x21,
  payload: Buffer.concat([
    Buffer.from(V6_ADDRESS, 'hex'), Buffer.from(V6_ADDRESS, 'hex'), ports(0x4321, 443),
  ]),
});

function serving(t) {
  return serve(t, (app) => {
    app.any('/*', (res) => {
      res.end(JSON.stringify({
        address: Buffer.from(res.getProxiedRemoteAddress()).toString('hex'),
        text: Buffer.from(res.getProxiedRemoteAddressAsText()).toString(),
        port: res.getProxiedRemotePort(),
        direct: Buffer.from(res.getRemoteAddressAsText()).toString(),
      }));
    });
  });
}

/** What the handler sees after `prefix` was sent. */
async function seen(t, prefix) {
  const { port } = serving(t);
  const client = await connect(t, port);
  client.write(Buffer.concat([prefix, request('GET', '/')]));
  return JSON.parse((await client.response()).text);
}

const DIRECT = '0000:0000:0000:0000:0000:ffff:7f00:0001';

both('without a header of the PROXY protocol there is no proxied address', async (t) => {
  assert.deepEqual(await seen(t, Buffer.alloc(0)), {
    address: '', text: '', port: 0, direct: DIRECT,
  });
});

both('an address of IPv4', async (t) => {
  const { address, text, direct } = await seen(t, V4);
  assert.equal(address, 'c0000201');
  assert.equal(text, '192.0.2.1');
  assert.equal(direct, DIRECT);
});

both('an address of IPv6', async (t) => {
  const { address, text } = await seen(t, V6);
  assert.equal(address, V6_ADDRESS);
  assert.equal(text, '2001:0db8:0000:0000:0000:0000:0000:0001');
});

own('the proxied port has its bytes in order', async (t) => {
  assert.equal((await seen(t, V4)).port, 0x1234);
  assert.equal((await seen(t, V6)).port, 0x4321);
});

both('the address holds for all requests of the connection', async (t) => {
  const { port } = serving(t);
  const client = await connect(t, port);
  client.write(V4);
  for (let count = 0; count < 3; count++) {
    client.write(request('GET', '/'));
    assert.equal(JSON.parse((await client.response()).text).text, '192.0.2.1');
  }
});

own('a header in pieces', async (t) => {
  const { port } = serving(t);
  const client = await connect(t, port);
  for (const byte of Buffer.concat([V4, request('GET', '/')])) {
    client.write(Buffer.from([byte]));
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.equal(JSON.parse((await client.response()).text).text, '192.0.2.1');
});

own('a header with extensions of a load balancer', async (t) => {
  const extension = Buffer.concat([Buffer.from('ea0017', 'hex'), Buffer.alloc(23, 1)]);
  const payload = Buffer.concat([V4.subarray(16), extension]);
  assert.equal((await seen(t, header({ family: 0x11, payload }))).text, '192.0.2.1');
});

own('a header of the proxy itself names nobody', async (t) => {
  const { text } = await seen(t, header({ command: 0x20, family: 0, payload: Buffer.alloc(0) }));
  assert.equal(text, '');
});
