'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { pathToFileURL } = require('node:url');
const { uws, entry, isKeirin, both, own } = require('./support/implementation');

const CONSTANTS = {
  DISABLED: 0,
  SHARED_COMPRESSOR: 1,
  DEDICATED_COMPRESSOR_3KB: 145,
  DEDICATED_COMPRESSOR_4KB: 146,
  DEDICATED_COMPRESSOR_8KB: 163,
  DEDICATED_COMPRESSOR_16KB: 180,
  DEDICATED_COMPRESSOR_32KB: 197,
  DEDICATED_COMPRESSOR_64KB: 214,
  DEDICATED_COMPRESSOR_128KB: 231,
  DEDICATED_COMPRESSOR_256KB: 248,
  DEDICATED_COMPRESSOR: 248,
  SHARED_DECOMPRESSOR: 256,
  DEDICATED_DECOMPRESSOR_512B: 2304,
  DEDICATED_DECOMPRESSOR_1KB: 2560,
  DEDICATED_DECOMPRESSOR_2KB: 2816,
  DEDICATED_DECOMPRESSOR_4KB: 3072,
  DEDICATED_DECOMPRESSOR_8KB: 3328,
  DEDICATED_DECOMPRESSOR_16KB: 3584,
  DEDICATED_DECOMPRESSOR_32KB: 3840,
  DEDICATED_DECOMPRESSOR: 3840,
  LIBUS_LISTEN_EXCLUSIVE_PORT: 1,
};

const FUNCTIONS = [
  'App', 'SSLApp', 'H3App', 'us_listen_socket_close', 'us_socket_local_port', 'getParts', '_cfg',
  'getString', 'setString', 'getInteger', 'setInteger', 'incInteger', 'getStringKeys',
  'getIntegerKeys', 'deleteString', 'deleteInteger', 'deleteStringCollection',
  'deleteIntegerCollection', 'lock', 'unlock', 'setTimeout', 'clearTimeout', 'arm',
  'DeclarativeResponse',
];

// What the peer's ESM entry names; keirin's names everything.
const NAMED = [
  'App', 'SSLApp', 'us_listen_socket_close', 'us_socket_local_port', 'getParts', '_cfg',
  'getString', 'setString', 'getInteger', 'setInteger', 'incInteger', 'getStringKeys',
  'getIntegerKeys', 'deleteString', 'deleteInteger', 'deleteStringCollection',
  'deleteIntegerCollection', 'lock', 'unlock',
];

const METHODS = [
  'get', 'post', 'options', 'del', 'patch', 'put', 'head', 'connect', 'trace', 'any', 'ws',
  'listen', 'listen_unix', 'publish', 'numSubscribers', 'addServerName', 'removeServerName',
  'missingServerName', 'domain', 'filter', 'close', 'getDescriptor', 'addChildAppDescriptor',
  'removeChildAppDescriptor', 'adoptSocket',
];

both('constants have their values', () => {
  for (const [name, value] of Object.entries(CONSTANTS)) {
    assert.equal(uws[name], value, name);
  }
});

both('functions are exported', () => {
  for (const name of FUNCTIONS) {
    assert.equal(typeof uws[name], 'function', name);
  }
});

both('stubs of timers do nothing', () => {
  assert.doesNotThrow(() => {
    uws.setTimeout(() => assert.fail('called'), 0);
    uws.clearTimeout(1);
    uws.arm();
  });
});

both('_cfg takes any key', () => {
  assert.equal(uws._cfg('silent'), undefined);
  assert.equal(uws._cfg('unknown'), undefined);
});

both('an app is made with and without new, and with every kind of nothing', (t) => {
  for (const app of [new uws.App(), uws.App(), uws.App({}), uws.App(undefined), uws.App(null)]) {
    t.after(() => app.close());
    for (const name of METHODS) {
      assert.equal(typeof app[name], 'function', name);
    }
  }
});

both('unknown options are ignored', (t) => {
  const app = uws.App({ passphrase: '', unknown: 1 });
  t.after(() => app.close());
  assert.equal(typeof app.get, 'function');
});

own('options have to be an object', () => {
  for (const options of [1, 'text', true, Symbol('s'), 1n]) {
    assert.throws(() => uws.App(options), { message: 'Options must be an object.' });
  }
});

own('an app has what uWebSockets.js has not', (t) => {
  const app = uws.App();
  t.after(() => app.close());
  for (const name of ['onError', 'onLog', 'stop', 'counters']) {
    assert.equal(typeof app[name], 'function', name);
  }
});

own('TLS and QUIC say that they are not there', () => {
  assert.throws(() => uws.SSLApp({ key_file_name: 'a', cert_file_name: 'b' }), (error) => {
    assert.equal(error.code, 'ERR_KEIRIN_TLS');
    assert.match(error.message, /TLS/);
    return true;
  });
  assert.throws(() => new uws.SSLApp({}), { code: 'ERR_KEIRIN_TLS' });
  assert.throws(() => uws.H3App({}), (error) => error instanceof Error && error.message !== '');
});

both('methods of an app that register return it', (t) => {
  const app = uws.App();
  t.after(() => app.close());
  const handler = (res) => res.end();
  for (const name of METHODS.slice(0, 10)) {
    assert.equal(app[name]('/path', handler), app, name);
  }
  assert.equal(app.ws('/ws', {}), app);
  assert.equal(app.filter(() => {}), app);
  assert.equal(app.addServerName('name', {}), app);
  assert.equal(app.removeServerName('name'), app);
  assert.equal(app.missingServerName(() => {}), app);
  assert.equal(app.listen(0, () => {}), app);
  assert.equal(app.close(), app);
});

both('ESM imports by name are what require gives', async () => {
  const file = isKeirin ? 'index.mjs' : require(path.join(entry, 'package.json')).exports.import;
  const module = await import(pathToFileURL(path.join(entry, file)));
  for (const name of [...NAMED, ...Object.keys(CONSTANTS)]) {
    assert.ok(name in module, name);
    assert.equal(module[name], uws[name], name);
  }
  assert.equal(module.default, uws);
});

own('every export has a name in ESM', async () => {
  const module = await import(pathToFileURL(path.join(entry, 'index.mjs')));
  for (const name of Object.keys(uws)) {
    assert.equal(module[name], uws[name], name);
  }
  assert.equal(module.DeclarativeResponse, uws.DeclarativeResponse);
});

own('every name that the JavaScript has for a number of the binary is one', () => {
  const folder = path.join(entry, 'lib');
  const core = require(path.join(folder, 'core.js'));
  const names = fs.readdirSync(folder).flatMap((file) => {
    const source = fs.readFileSync(path.join(folder, file), 'utf8');
    return [...source.matchAll(/\bcore\.([A-Z][A-Z0-9_]*)\b/g)].map(([, name]) => name);
  });
  assert.ok(names.length > 50);
  assert.deepEqual(names.filter((name) => !Number.isInteger(core[name])), []);
  const { register, status, piece } = core.native.numbers;
  for (const [name, value] of Object.entries({ ...register, ...status, ...piece })) {
    assert.equal(core[name], value, name);
  }
  const values = Object.values(register).sort();
  assert.deepEqual(values, [...core.registers.keys()], 'each has a register of its own');
});
