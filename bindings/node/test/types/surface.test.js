'use strict';

// The types and what is there at run time name the same things: exports, methods, options.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const http = require('node:http');
const net = require('node:net');
const path = require('node:path');
const { test } = require('node:test');
const ts = require('typescript');

const keirin = require('../..');
const native = require('../../lib/native.js');

const FILE = path.join(__dirname, '../../index.d.ts');
const program = ts.createProgram([FILE], { strict: true, lib: ['lib.es2022.d.ts'], types: [] });
const checker = program.getTypeChecker();
const source = checker.getSymbolAtLocation(program.getSourceFile(FILE));
const exported = checker.getExportsOfModule(source);

function typeOf(name) {
  return checker.getDeclaredTypeOfSymbol(exported.find((symbol) => symbol.name === name));
}

/** The names that a type has of its own or by inheritance, without its index signatures. */
function members(name, accept = () => true) {
  return checker
    .getPropertiesOfType(typeOf(name))
    .filter(accept)
    .map((symbol) => symbol.name)
    .sort();
}

const isMethod = (symbol) => (symbol.flags & ts.SymbolFlags.Method) !== 0;

/** The methods of an object and of everything it inherits from, but for what is private by name. */
function methods(object) {
  const names = new Set();
  for (let at = object; at !== null && at !== Object.prototype; at = Object.getPrototypeOf(at)) {
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(at))) {
      if (typeof value === 'function' && name !== 'constructor' && !name.startsWith('_')) {
        names.add(name);
      }
    }
  }
  return [...names].sort();
}

/** What a route and a socket are given, by a server that lives for one request of each kind. */
async function witnesses() {
  const seen = {};
  await new Promise((resolve, reject) => {
    const app = keirin.App();
    const finish = () => resolve(app.stop());
    app.get('/', (res, req) => {
      Object.assign(seen, { res: methods(res), req: methods(req), states: Object.keys(res) });
      res.end();
    });
    app.ws('/socket', {
      open: (ws) => {
        seen.ws = methods(ws);
        ws.close();
      },
    });
    app.listen('127.0.0.1', 0, (token) => {
      const port = keirin.us_socket_local_port(token);
      const get = http.get({ port, host: '127.0.0.1', agent: false }, (answer) => {
        answer.resume().on('end', () => upgrade(port).on('close', finish));
      });
      get.on('error', reject);
    });
  });
  return seen;
}

function upgrade(port) {
  const socket = net.connect(port, '127.0.0.1');
  socket.write('GET /socket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n');
  socket.write('Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n');
  socket.write('Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n');
  return socket.on('error', () => {}).resume();
}

test('every export has a type, and every typed value is exported', () => {
  const values = exported.filter((symbol) => (symbol.flags & ts.SymbolFlags.Value) !== 0);
  const names = values.map((symbol) => symbol.name);
  assert.deepEqual(Object.keys(keirin).sort(), names.sort());
});

test('the modules of both kinds export the same', async () => {
  const imported = await import('../../index.mjs');
  assert.equal(imported.default, keirin);
  for (const [name, value] of Object.entries(imported)) {
    if (name !== 'default') {
      assert.equal(value, keirin[name], name);
    }
  }
  const names = Object.keys(imported).filter((name) => name !== 'default');
  assert.deepEqual(names.sort(), Object.keys(keirin).sort());
});

test('requests, responses, sockets and apps have the methods that are typed', async () => {
  const { res, req, ws, states } = await witnesses();
  assert.deepEqual(res, members('HttpResponse', isMethod));
  assert.deepEqual(req, members('HttpRequest', isMethod));
  assert.deepEqual(ws, members('WebSocket', isMethod));
  assert.ok(states.includes('ended') && states.includes('aborted'), states.join());
  const app = keirin.App();
  assert.deepEqual(methods(app), members('TemplatedApp', isMethod));
  app.close();
});

test('counters have the names that are typed', () => {
  const app = keirin.App();
  const counters = app.counters();
  assert.deepEqual(Object.keys(counters).sort(), members('Counters'));
  assert.ok(Object.values(counters).every((count) => count === 0));
  app.close();
});

test('a DeclarativeResponse has the methods that are typed', () => {
  const program = new keirin.DeclarativeResponse();
  assert.deepEqual(methods(program), members('DeclarativeResponse', isMethod));
});

test('constants are numbers, and functions are functions', () => {
  for (const symbol of exported.filter(({ flags }) => (flags & ts.SymbolFlags.Value) !== 0)) {
    const isFunction = (symbol.flags & (ts.SymbolFlags.Function | ts.SymbolFlags.Class)) !== 0;
    const isEnum = (symbol.flags & ts.SymbolFlags.Enum) !== 0;
    const expected = isFunction ? 'function' : isEnum ? 'object' : 'number';
    assert.equal(typeof keirin[symbol.name], expected, symbol.name);
  }
});

test('every option is checked, and is refused by its name', () => {
  const ignored = members('TlsOptions');
  for (const name of members('AppOptions').filter((each) => !ignored.includes(each))) {
    assert.throws(() => keirin.App({ [name]: Symbol('no value') }).close(), names(name));
  }
  for (const name of members('WebSocketBehavior', (symbol) => !isHandler(symbol))) {
    const app = keirin.App();
    assert.throws(() => app.ws('/', { [name]: Symbol('no value') }), names(name));
    app.close();
  }
});

test('every setting of the engine is typed and documented', () => {
  const guide = fs.readFileSync(path.join(__dirname, '../../../../docs/node.md'), 'utf8');
  const typed = members('AppOptions');
  for (const name of Object.keys(native.settings)) {
    assert.ok(typed.includes(name), name);
    assert.ok(guide.includes(`| \`${name}\` |`), name);
  }
});

test('a handler of a WebSocket has to be a function', () => {
  const handlers = members('WebSocketBehavior', isHandler);
  assert.equal(handlers.length, 9);
  for (const name of handlers) {
    const app = keirin.App();
    const make = () => app.ws('/', { [name]: 'text' });
    assert.throws(make, /Passed callback is not a valid function\./, name);
    app.close();
  }
});

function names(option) {
  return (error) => error instanceof TypeError && error.message.includes(option);
}

function isHandler(symbol) {
  const type = checker.getNonNullableType(checker.getTypeOfSymbol(symbol));
  return type.getCallSignatures().length > 0;
}
