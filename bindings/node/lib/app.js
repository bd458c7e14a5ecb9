'use strict';

const { inspect, types } = require('node:util');

const core = require('./core.js');
const { native, registers, recognized, text, checkCallback, checkCount } = core;
const { HttpRequest, release, isYielded } = require('./request.js');
const { cached } = require('./cache.js');
const responses = require('./response.js');
const sockets = require('./websocket.js');
const { appOptions, OPTIONS, webSocketOptions } = require('./options.js');

/** Events of a kind of WebSocket of which the binary has to tell, each with its bit. */
const HEARS = Object.entries(native.numbers.hears).map(([name, bit]) => [name.toLowerCase(), bit]);

// The life of an app.
const RUNNING = 0;
/** It listens no more, and is done when everybody has left. */
const STOPPING = 1;
/** What it had is given back. */
const STOPPED = 2;

const LEVELS = ['access', 'info', 'warn', 'error'];

/** What an app keeps for itself, apart from what programs see. */
class Owner {
  constructor(options) {
    this.isStrict = Boolean(options.strict);
    this.handlers = [];
    this.kinds = [];
    /** By the place of their connection: answers that were kept, and WebSockets. */
    this.kept = [];
    this.sockets = [];
    this.offers = new WeakMap();
    this.filters = [];
    this.listeners = new Set();
    this.onError = undefined;
    this.onLog = undefined;
    this.stopped = [];
    this.life = RUNNING;
    this.counts = {};
    const number = native.appNew(events(this), appOptions(options));
    if (typeof number === 'string') throw new RangeError(number);
    if (number === undefined) throw new Error('App construction failed');
    this.number = number;
  }

  select() {
    registers[core.APP] = this.number;
  }

  /** Gives everything back. What was counted stays. */
  release() {
    this.select();
    this.counts = native.appCounts();
    this.life = STOPPED;
    collected.unregister(this);
    native.appFree(this.number);
  }

  /** Nothing listens any more, nor will. */
  beginStop() {
    this.life = STOPPING;
    for (const token of this.listeners) token.isOpen = false;
    this.listeners.clear();
  }

  keep(index, res) {
    this.kept[index] = res;
  }

  forget(index, res) {
    if (this.kept[index] === res) this.kept[index] = undefined;
  }

  offerOf(context) {
    return typeof context === 'object' && context !== null ? this.offers.get(context) : undefined;
  }

  /** The WebSocket that a connection is to become. */
  socketOf(low, high, userData) {
    const ws = new sockets.WebSocket(this, low, high);
    if (userData !== null && typeof userData === 'object') sockets.adorn(ws, userData);
    return ws;
  }

  /** It became one, of which its open handler will hear. */
  opened(low, ws) {
    this.sockets[low & core.INDEX_MASK] = ws;
    return ws;
  }

  /** The socket that an event is about. */
  socket() {
    const ws = this.sockets[registers[core.LOW] & core.INDEX_MASK];
    return ws !== undefined && sockets.isNamed(ws) ? ws : undefined;
  }

  /** The answer that an event is about. */
  response() {
    const res = this.kept[registers[core.LOW] & core.INDEX_MASK];
    return res !== undefined && responses.isNamed(res) ? res : undefined;
  }

  log(level, message, peer) {
    if (this.onLog !== undefined) {
      const fail = (how) => (error) =>
        process.stderr.write(`keirin error: onLog has ${how}: ${explain(error)}\n`);
      try {
        core.whenSettled(this.onLog({ level, message, peer }), undefined, fail('rejected'));
        return;
      } catch (error) {
        fail('thrown')(error);
      }
    }
    if (level === 'warn' || level === 'error') {
      process.stderr.write(`keirin ${level}: ${message}${peer === undefined ? '' : ` (${peer})`}\n`);
    }
  }

  warn(message) {
    this.log('warn', message);
  }

  warnFailed(error, req) {
    this.warn(`a handler${nameOf(req)} has failed: ${explain(error)}`);
  }

  /**
   * A handler has thrown or rejected: `subject` is its response or WebSocket. Returns a promise if
   * `onError` goes on, which resolves in any case.
   */
  failed(error, subject, req) {
    this.warnFailed(error, req);
    if (this.onError === undefined) return undefined;
    const fail = (how) => (again) => this.log('error', `onError has ${how}: ${explain(again)}`);
    try {
      return core.whenSettled(this.onError(error, subject, req), undefined, fail('rejected'));
    } catch (again) {
      return fail('thrown')(again);
    }
  }
}

/** What was thrown, which may be anything. */
function explain(error) {
  try {
    return error instanceof Error ? `${error.stack ?? error.message}` : inspect(error);
  } catch {
    return 'something that cannot be printed';
  }
}

/** Method and path of a request that can still be read. */
function nameOf(req) {
  try {
    return req === undefined
      ? ' of a WebSocket'
      : ` of ${req.getCaseSensitiveMethod()} ${req.getUrl()}`;
  } catch {
    return '';
  }
}

/** Runs the handler of a request, and sees to what it leaves undone. */
function handle(owner, run) {
  const req = new HttpRequest(owner.number);
  const res = new responses.HttpResponse(
    owner,
    registers[core.LOW],
    registers[core.HIGH],
    registers[core.REQUEST],
    req,
  );
  try {
    const result = run(res, req);
    if (core.isThenable(result)) {
      release(req, true);
      if (responses.isOpen(res)) responses.keep(res);
      const fail = (error) => responses.fail(res, error);
      core.whenSettled(result, () => settle(owner, res, req), fail);
      return;
    }
  } catch (error) {
    release(req, responses.fail(res, error));
    return;
  }
  if (responses.isOpen(res)) {
    if (isYielded(req) && responses.isLive(res)) responses.pass(res);
    else if (isYielded(req) || responses.isLive(res)) leave(owner, res, req);
  }
  release(req, false);
}

/** An asynchronous handler is done: somebody has to be left who answers. */
function settle(owner, res, req) {
  if (responses.isOpen(res) && !responses.isAwaited(res)) leave(owner, res, req);
}

/** Nobody is there who would answer. */
function leave(owner, res, req) {
  owner.warn(`a handler${nameOf(req)} has neither answered nor said that it will: answered 500`);
  responses.giveUp(res);
}

/** The functions that the binary calls. */
function events(owner) {
  return {
    request() {
      handle(owner, owner.handlers[registers[core.FIRST]]);
    },
    upgrade(handshake) {
      const kind = owner.handlers[registers[core.FIRST]];
      const context = {};
      owner.offers.set(context, { handshake, kind: kind.number });
      handle(owner, (res, req) => kind.behavior.upgrade(res, req, context));
    },
    aborted() {
      const res = owner.response();
      if (res !== undefined) responses.tellAborted(res);
    },
    writable() {
      const res = owner.response();
      if (res !== undefined) responses.tellWritable(res);
    },
    piece(piece) {
      const res = owner.response();
      if (res !== undefined) responses.tellPiece(res, piece);
    },
    open() {
      const { behavior } = owner.kinds[registers[core.FIRST]];
      const [low, high] = [registers[core.LOW], registers[core.HIGH]];
      const ws = owner.socket() ?? owner.opened(low, owner.socketOf(low, high));
      sockets.setKind(ws, behavior);
      if (behavior.open !== undefined) sockets.guard(ws, behavior.open);
    },
    message(data) {
      const ws = owner.socket();
      const isBinary = registers[core.FIRST] === 1;
      if (ws !== undefined) sockets.guard(ws, sockets.kindOf(ws).message, data, isBinary);
    },
    dropped(data) {
      const ws = owner.socket();
      const isBinary = registers[core.FIRST] === 1;
      if (ws !== undefined) sockets.guard(ws, sockets.kindOf(ws).dropped, data, isBinary);
    },
    drain() {
      const ws = owner.socket();
      if (ws !== undefined) sockets.guard(ws, sockets.kindOf(ws).drain);
    },
    ping(data) {
      const ws = owner.socket();
      if (ws !== undefined) sockets.guard(ws, sockets.kindOf(ws).ping, data);
    },
    pong(data) {
      const ws = owner.socket();
      if (ws !== undefined) sockets.guard(ws, sockets.kindOf(ws).pong, data);
    },
    subscription(topic) {
      const ws = owner.socket();
      const [count, before] = [registers[core.SECOND], registers[core.THIRD]];
      if (ws !== undefined) {
        // The program may keep the topic.
        sockets.guard(ws, sockets.kindOf(ws).subscription, topic.slice(0), count, before);
      }
    },
    close(reason) {
      const ws = owner.socket();
      if (ws === undefined) return;
      sockets.seal(ws);
      owner.sockets[registers[core.LOW] & core.INDEX_MASK] = undefined;
      const { close } = sockets.kindOf(ws);
      if (close !== undefined) sockets.guard(ws, close, registers[core.FIRST], reason);
    },
    connection() {
      const count = registers[core.FIRST] === 1 ? 1 : -1;
      const res = new responses.Connection(owner, registers[core.LOW], registers[core.HIGH], -1);
      for (const filter of owner.filters) responses.guard(res, filter, res, count);
    },
    log(message, peer) {
      owner.log(LEVELS[registers[core.FIRST]], message, peer);
    },
    stopped() {
      owner.release();
      for (const resolve of owner.stopped) resolve();
    },
  };
}

/** What `listen` hands out. */
class ListenSocket {
  constructor(owner, address, port) {
    this.owner = owner;
    this.address = address;
    this.port = port;
    this.isOpen = true;
  }
}

const METHODS = {
  get: 'GET',
  post: 'POST',
  options: 'OPTIONS',
  del: 'DELETE',
  patch: 'PATCH',
  put: 'PUT',
  head: 'HEAD',
  connect: 'CONNECT',
  trace: 'TRACE',
  any: undefined,
};

const owners = new WeakMap();

/** An app that the program has lost, and that nobody can reach, is given up. */
const collected = new FinalizationRegistry((owner) => {
  owner.select();
  if (owner.listeners.size === 0 && native.appCounts().connectionsOpen === 0) owner.release();
});

class TemplatedApp {
  constructor(options) {
    const owner = new Owner(options);
    owners.set(this, owner);
    collected.register(this, owner, owner);
  }

  ws(pattern, behavior) {
    checkCount(arguments.length, 2);
    const owner = owners.get(this);
    if (typeof behavior !== 'object' || behavior === null) {
      throw new TypeError('behavior has to be an object');
    }
    // A copy: what the program changes afterwards was never checked. It may be of a class.
    const own = {};
    let wanted = 0;
    for (const name of OPTIONS) own[name] = behavior[name];
    for (const [name, bit] of [['upgrade', 0], ['open', 0], ['close', 0], ...HEARS]) {
      own[name] = behavior[name] ?? undefined;
      if (own[name] !== undefined) {
        checkCallback(own[name]);
        wanted |= bit;
      }
    }
    if (owner.life === STOPPED) return this;
    const number = owner.kinds.length;
    const kind = { number, behavior: own };
    owner.select();
    const wrong = native.appBehaviour(webSocketOptions(own), wanted, number);
    if (wrong !== undefined) throw new RangeError(wrong);
    owner.kinds.push(kind);
    const handler = own.upgrade === undefined ? -1 : owner.handlers.push(kind) - 1;
    owner.select();
    native.appUpgrades(undefined, slashed(pattern), number, handler);
    checkRoute(pattern);
    return this;
  }

  listen(...values) {
    checkCount(values.length, 2);
    const callback = values.pop();
    checkCallback(callback);
    const host = typeof values[0] === 'number' ? '' : text(values.shift());
    // A port may come from the environment.
    const port = typeof values[0] === 'string' && values[0] !== '' ? Number(values[0]) : values[0];
    const options = values[1];
    if (!Number.isInteger(port) || port < 0 || port > 65_535) {
      throw new RangeError(`${port} is no port`);
    }
    const shared = (Number(options ?? 0) & 1) === 0;
    const addresses = host === '' ? [`[::]:${port}`, `0.0.0.0:${port}`] : [`${bracketed(host)}:${port}`];
    callback(listenOn(owners.get(this), addresses, shared));
    return this;
  }

  listen_unix(callback, path) {
    checkCount(arguments.length, 2);
    checkCallback(callback);
    callback(listenOn(owners.get(this), [`unix:${text(path)}`], false));
    return this;
  }

  publish(topic, message, isBinary, compress) {
    checkCount(arguments.length, 2);
    const owner = owners.get(this);
    const name = recognized(topic);
    const data = recognized(message);
    owner.select();
    native.publish(name, data, Boolean(isBinary), Boolean(compress));
    if (registers[core.STATUS] === core.NOT_UTF8) {
      owner.warn('a text message was not published, since it is not UTF-8: is it binary?');
    }
    return registers[core.STATUS] === 1;
  }

  numSubscribers(topic) {
    checkCount(arguments.length, 1);
    const name = recognized(topic);
    owners.get(this).select();
    return native.subscribers(name);
  }

  close() {
    const owner = owners.get(this);
    if (owner.life === STOPPED) return this;
    owner.beginStop();
    owner.select();
    native.appClose();
    // What it has is given back once everybody has been told.
    native.appStop(0);
    return this;
  }

  stop(options) {
    const owner = owners.get(this);
    const grace = options?.grace ?? 10_000;
    if (typeof grace !== 'number' || !(grace >= 0)) {
      throw new RangeError('grace has to be a number of milliseconds');
    }
    if (owner.life === STOPPED) return Promise.resolve();
    owner.beginStop();
    return new Promise((resolve) => {
      owner.stopped.push(resolve);
      owner.select();
      native.appStop(grace);
    });
  }

  counters() {
    const owner = owners.get(this);
    if (owner.life === STOPPED) return owner.counts;
    owner.select();
    return native.appCounts();
  }

  onError(handler) {
    checkCallback(handler);
    owners.get(this).onError = handler;
    return this;
  }

  onLog(handler) {
    checkCallback(handler);
    const owner = owners.get(this);
    owner.onLog = handler;
    owner.select();
    native.appWantLog();
    return this;
  }

  filter(handler) {
    checkCallback(handler);
    const owner = owners.get(this);
    owner.filters.push(handler);
    if (owner.filters.length === 1) {
      owner.select();
      native.appFilter();
    }
    return this;
  }

  getDescriptor() {
    const owner = owners.get(this);
    // Other threads may give it connections.
    collected.unregister(owner);
    owner.select();
    return native.appDescriptor();
  }

  addChildAppDescriptor(descriptor) {
    return child(this, native.appAddChild, descriptor);
  }

  removeChildAppDescriptor(descriptor) {
    return child(this, native.appRemoveChild, descriptor);
  }

  adoptSocket(fd) {
    owners.get(this).select();
    // Nonsense would be 0 for the binary, which is somebody's standard input.
    native.appAdopt((fd | 0) === fd ? fd : -1);
    if (registers[core.STATUS] < 0) throw new Error(`${fd} is no connected socket`);
    return this;
  }

  addServerName() {
    return this;
  }

  removeServerName() {
    return this;
  }

  missingServerName(handler) {
    checkCallback(handler);
    return this;
  }

  domain() {
    checkCount(arguments.length, 1);
    return this;
  }
}

Object.defineProperty(TemplatedApp, 'name', { value: 'uWS.App' });

for (const [name, method] of Object.entries(METHODS)) {
  TemplatedApp.prototype[name] = {
    [name](pattern, handler, expiry) {
      const owner = owners.get(this);
      const failed = (error, req) => owner.failed(error, undefined, req);
      const answers = expiry === undefined ? handler : cached(handler, expiry, failed);
      route(owner, method, pattern, answers);
      return this;
    },
  }[name];
}

/** Adds or removes an app that is handed connections. */
function child(app, call, descriptor) {
  const number = Number(descriptor);
  owners.get(app).select();
  call(number);
  if (registers[core.STATUS] < 0) throw new TypeError('this is no descriptor of an app');
  return app;
}

function route(owner, method, pattern, handler) {
  const path = slashed(pattern);
  if (owner.life === STOPPED) return;
  if (handler === null) {
    owner.select();
    native.appRemoveRoute(method, path);
  } else if (types.isArrayBuffer(handler)) {
    owner.select();
    native.appDeclarative(method, path, handler);
  } else {
    checkCallback(handler);
    const number = owner.handlers.push(handler) - 1;
    owner.select();
    native.appRoute(method, path, number);
  }
  checkRoute(pattern);
}

function checkRoute(pattern) {
  if (registers[core.STATUS] < 0) throw new Error(`the route ${pattern} is malformed`);
}

/** Patterns may leave out the slash that all paths begin with. */
function slashed(pattern) {
  const path = text(pattern);
  return path.startsWith('/') ? path : `/${path}`;
}

function bracketed(host) {
  return host.includes(':') && !host.startsWith('[') ? `[${host}]` : host;
}

/** A token for the first address that can be had, else false. */
function listenOn(owner, addresses, shared) {
  if (owner.life !== RUNNING) return false;
  for (const address of addresses) {
    owner.select();
    const bound = native.appListen(address, shared);
    if (bound !== undefined) {
      const token = new ListenSocket(owner, bound, registers[core.FIRST]);
      owner.listeners.add(token);
      return token;
    }
  }
  return false;
}

function checkToken(token) {
  if (!(token instanceof ListenSocket)) throw new TypeError('this is no token of listen()');
}

function us_listen_socket_close(token) {
  checkToken(token);
  if (token.isOpen) {
    token.isOpen = false;
    token.owner.listeners.delete(token);
    token.owner.select();
    native.appUnlisten(token.address);
  }
}

function us_socket_local_port(token) {
  checkToken(token);
  return token.isOpen ? token.port : -1;
}

/** With `new` or without, as in uWebSockets.js. */
function App(options) {
  if (options !== undefined && options !== null && typeof options !== 'object') {
    throw new Error('Options must be an object.');
  }
  return new TemplatedApp(options ?? {});
}

function SSLApp() {
  const error = new Error(
    'keirin has no TLS yet: put a proxy that ends TLS in front of it, and use App()',
  );
  error.code = 'ERR_KEIRIN_TLS';
  throw error;
}

function H3App() {
  throw new Error('keirin has no HTTP/3');
}

// What was answered is sent, even if the process ends before the loop turns, and so is what the
// program's own handlers of this event still answer.
process.on('exit', () => native.appsFlush());

module.exports = { App, SSLApp, H3App, us_listen_socket_close, us_socket_local_port };
