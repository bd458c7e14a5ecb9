'use strict';

const core = require('./core.js');
const { native, registers, recognized } = core;

const DEAD = 'Invalid access of closed uWS.WebSocket/SSLWebSocket.';

const app = Symbol('app');
const low = Symbol('low');
const high = Symbol('high');
const kind = Symbol('kind');
const isOpen = Symbol('isOpen');
const isBinary = Symbol('isBinary');

/** What a socket keeps for itself. */
const OWN = new Set([app, low, high, kind, isOpen, isBinary]);

/** What a message is. */
const BINARY = 1;
const COMPRESS = 2;

/** What became of a message, as uWebSockets.js says it. */
const BACKPRESSURE = 0;
const SUCCESS = 1;
const DROPPED = 2;

/** A WebSocket is its own user data: what the upgrade was given is copied onto it. */
class WebSocket {
  constructor(owner, idLow, idHigh) {
    this[app] = owner;
    this[low] = idLow;
    this[high] = idHigh;
    this[kind] = undefined;
    this[isOpen] = true;
    this[isBinary] = false;
  }

  getUserData() {
    return this;
  }

  send(message, binary, compress) {
    if (!this[isOpen]) return dead(this, DROPPED);
    const data = typeof message === 'string' ? message : recognized(message);
    select(this);
    registers[core.FIRST] = (binary ? BINARY : 0) | (compress ? COMPRESS : 0);
    native.socketSend(data);
    return sent(this);
  }

  sendFirstFragment(message, binary) {
    this[isBinary] = Boolean(binary);
    return sendFragment(this, message, false);
  }

  sendFragment(message) {
    return sendFragment(this, message, false);
  }

  sendLastFragment(message) {
    return sendFragment(this, message, true);
  }

  ping(message) {
    if (!this[isOpen]) return dead(this, DROPPED);
    const data = recognized(message);
    select(this);
    native.socketPing(data);
    return sent(this);
  }

  end(code, shortMessage) {
    if (!this[isOpen]) return dead(this, undefined);
    const reason = recognized(shortMessage);
    const number = code === undefined ? 0 : Number(code);
    select(this);
    native.socketEnd(number, reason);
    if (registers[core.STATUS] === core.REFUSED_CLOSE_CODE) {
      throw new RangeError(`${code} is no close code that may be sent`);
    }
    this[isOpen] = false;
    return undefined;
  }

  close() {
    if (!this[isOpen]) return dead(this, undefined);
    select(this);
    native.socketClose();
    this[isOpen] = false;
    return undefined;
  }

  cork(callback) {
    core.checkCallback(callback);
    if (!this[isOpen]) return dead(this, this);
    const result = callback();
    if (core.isThenable(result)) core.whenSettled(result, undefined, (error) => fail(this, error));
    return this;
  }

  getBufferedAmount() {
    if (!this[isOpen]) return dead(this, 0);
    select(this);
    return native.socketQueued();
  }

  getRemoteAddress() {
    if (!this[isOpen]) return dead(this, new ArrayBuffer(0));
    select(this);
    return native.connectionAddress();
  }

  getRemoteAddressAsText() {
    return core.addressText(this.getRemoteAddress());
  }

  getRemotePort() {
    if (!this[isOpen]) return dead(this, 0);
    select(this);
    native.connectionAddress();
    return registers[core.FIRST];
  }

  subscribe(topic) {
    if (!this[isOpen]) return dead(this, false);
    const name = recognized(topic);
    select(this);
    native.socketSubscribe(name);
    return registers[core.STATUS] >= 0;
  }

  unsubscribe(topic) {
    if (!this[isOpen]) return dead(this, false);
    const name = recognized(topic);
    select(this);
    native.socketUnsubscribe(name);
    return registers[core.STATUS] === 1;
  }

  isSubscribed(topic) {
    if (!this[isOpen]) return dead(this, false);
    const name = recognized(topic);
    select(this);
    native.socketIsSubscribed(name);
    return registers[core.STATUS] === 1;
  }

  getTopics() {
    if (!this[isOpen]) return dead(this, []);
    select(this);
    return native.socketTopics();
  }

  publish(topic, message, binary, compress) {
    core.checkCount(arguments.length, 2);
    if (!this[isOpen]) return dead(this, false);
    const name = recognized(topic);
    const data = recognized(message);
    select(this);
    native.socketPublish(name, data, Boolean(binary), Boolean(compress));
    if (registers[core.STATUS] === core.NOT_UTF8) warnOfText(this);
    return registers[core.STATUS] === 1;
  }

  pause() {
    if (!this[isOpen]) return dead(this, this);
    select(this);
    native.socketPause();
    return this;
  }

  resume() {
    if (!this[isOpen]) return dead(this, this);
    select(this);
    native.socketResume();
    return this;
  }
}

Object.defineProperty(WebSocket, 'name', { value: 'uWS.WebSocket' });

/** Names the socket to the binary. */
function select(ws) {
  registers[core.LOW] = ws[low];
  registers[core.HIGH] = ws[high];
  registers[core.APP] = ws[app].number;
}

function sent(ws) {
  const status = registers[core.STATUS];
  if (status === 0) return SUCCESS;
  if (status === 1) return BACKPRESSURE;
  if (status === core.NOT_UTF8) warnOfText(ws);
  return DROPPED;
}

function warnOfText(ws) {
  ws[app].warn('a text message was not sent, since it is not UTF-8: is it binary?');
}

function sendFragment(ws, message, isLast) {
  if (!ws[isOpen]) return dead(ws, DROPPED);
  const data = recognized(message);
  select(ws);
  native.socketSendFragment(data, ws[isBinary], isLast);
  return sent(ws);
}

/** A call that comes too late. */
function dead(ws, result) {
  if (ws[app].isStrict) throw new Error(DEAD);
  // The engine refuses it too, and counts that.
  select(ws);
  native.socketQueued();
  return result;
}

/** Calls a handler of the program's; what it throws is reported, and the socket is closed. */
function guard(ws, handler, first, second, third) {
  try {
    const result = handler(ws, first, second, third);
    core.whenSettled(result, undefined, (error) => fail(ws, error));
  } catch (error) {
    fail(ws, error);
  }
}

function fail(ws, error) {
  ws[app].failed(error, ws);
  if (ws[isOpen]) {
    // User data may stand where a method was.
    select(ws);
    native.socketEnd(1011, '');
    ws[isOpen] = false;
  }
}

module.exports = {
  WebSocket,
  guard,
  kindOf: (ws) => ws[kind],
  /** Whether this is the socket that an event is about. */
  isNamed: (ws) => ws[low] === registers[core.LOW] && ws[high] === registers[core.HIGH],
  setKind(ws, behaviour) {
    ws[kind] = behaviour;
  },
  /** Copies user data onto a socket: defined, not assigned, so that no name is special. */
  adorn(ws, userData) {
    for (const name of Reflect.ownKeys(userData)) {
      // Another socket's data may come with the socket.
      const isData = typeof name === 'string' || !OWN.has(name);
      if (isData && Object.prototype.propertyIsEnumerable.call(userData, name)) {
        Object.defineProperty(ws, name, {
          value: userData[name],
          writable: true,
          enumerable: true,
          configurable: true,
        });
      }
    }
  },
  /** Nothing can be sent any more. */
  seal(ws) {
    ws[isOpen] = false;
  },
};
