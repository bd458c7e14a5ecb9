'use strict';

const core = require('./core.js');
const { native, registers, recognized, text, checkCallback } = core;
const { isReadable } = require('./request.js');

const DEAD =
  'uWS.HttpResponse must not be accessed after uWS.HttpResponse.onAborted callback, or after a ' +
  'successful response. See documentation for uWS.HttpResponse and consult the user manual.';

// Programs put whatever they like on a response, so what it keeps for itself has no names.
const app = Symbol('app');
const low = Symbol('low');
const high = Symbol('high');
const number = Symbol('number');
const state = Symbol('state');
const later = Symbol('later');
const request = Symbol('request');
const terminal = Symbol('terminal');

// The life of a response. It can be answered
/** until its handler returns; */
const LIVE = 0;
/** when the promise resolves that its handler has returned; */
const KEPT = 1;
/** whenever the program likes: it will hear of something. */
const AWAITED = 2;
/** It was answered, upgraded, or left to another route. */
const ENDED = 3;
/** Its peer has left. */
const ABORTED = 4;

const STREAMING = 'pieces';
const COLLECTING = 'whole';

/** What only answers that are given later have. */
class Later {
  constructor() {
    this.hasStatus = false;
    this.isBlocked = false;
    /** How the body is read, once it is. */
    this.reading = undefined;
    this.aborted = [];
    this.writable = undefined;
    this.data = undefined;
    /** An `onError` goes on with the request, and is waited for. */
    this.isFailing = false;
  }
}

class HttpResponse {
  constructor(owner, idLow, idHigh, idNumber, req) {
    this.ended = false;
    this.aborted = false;
    this[app] = owner;
    this[low] = idLow;
    this[high] = idHigh;
    this[number] = idNumber;
    this[state] = LIVE;
    this[later] = undefined;
    this[request] = req;
    this[terminal] = undefined;
  }

  writeStatus(status) {
    if (this[state] > AWAITED) return dead(this, this);
    const line = text(status);
    const own = ensure(this);
    // The first one counts; an upgrade has its own.
    if (own.hasStatus || line.startsWith('101')) return this;
    const [, code, reason] = /^(\d{3})(?: (.*))?$/s.exec(line) ?? [];
    select(this);
    native.responseStatus(code === undefined ? 0 : Number(code), reason);
    if (registers[core.STATUS] === core.REFUSED_STATUS) {
      throw new RangeError(`${JSON.stringify(line)} is no status that can be sent`);
    }
    own.hasStatus = true;
    return this;
  }

  writeHeader(key, value) {
    if (this[state] > AWAITED) return dead(this, this);
    const name = typeof key === 'string' ? key : text(key);
    const content = typeof value === 'string' ? value : recognized(value);
    select(this);
    native.responseHeader(name, content);
    if (registers[core.STATUS] === core.REFUSED_HEADER && !isFraming(name)) {
      throw new TypeError(`the header ${JSON.stringify(name)} cannot be sent with this value`);
    }
    return this;
  }

  beginWrite() {
    if (this[state] > AWAITED) return dead(this, this);
    select(this);
    native.responseWrite('');
    return this;
  }

  write(chunk) {
    if (this[state] > AWAITED) return dead(this, false);
    const data = typeof chunk === 'string' ? chunk : recognized(chunk);
    if (core.byteLength(data) === 0) return true;
    select(this);
    native.responseWrite(data);
    const status = registers[core.STATUS];
    if (status === 0) return true;
    if (status > 0) block(this);
    else lost(this, status);
    return false;
  }

  end(body, closeConnection) {
    if (this[state] > AWAITED) return dead(this, this);
    const data = typeof body === 'string' ? body : recognized(body);
    select(this);
    native.responseEnd(data, closeConnection === undefined ? false : Boolean(closeConnection));
    return done(this);
  }

  endWithoutBody(reportedContentLength, closeConnection) {
    if (this[state] > AWAITED) return dead(this, this);
    const length = reportedContentLength === undefined ? -1 : Number(reportedContentLength);
    select(this);
    native.responseEndWithoutBody(length, Boolean(closeConnection));
    return done(this);
  }

  tryEnd(fullBodyOrChunk, totalSize) {
    if (this[state] > AWAITED) return dead(this, [true, true]);
    const data = recognized(fullBodyOrChunk);
    const total = totalSize === undefined ? core.byteLength(data) : Number(totalSize);
    if (!Number.isSafeInteger(total) || total < 0) {
      throw new RangeError('totalSize has to be a number of bytes');
    }
    select(this);
    native.responseTryEnd(data, total || core.byteLength(data));
    const status = registers[core.STATUS];
    if (status === core.REFUSED_LENGTH) {
      this[app].warn('tryEnd was given more than totalSize: the connection was cut');
    }
    if (status === 1) return [true, false];
    if (status === 2) {
      block(this);
      return [false, false];
    }
    done(this);
    return [true, true];
  }

  close() {
    if (this[state] > AWAITED) return dead(this, this);
    select(this);
    native.responseClose();
    return end(this, ABORTED);
  }

  getWriteOffset() {
    if (this[state] > AWAITED) return dead(this, 0);
    select(this);
    return native.responseWritten();
  }

  onWritable(handler) {
    checkCallback(handler);
    if (this[state] > AWAITED) return dead(this, this);
    const own = await_(this);
    own.writable = handler;
    if (own.isBlocked) block(this);
    return this;
  }

  onAborted(handler) {
    checkCallback(handler);
    if (this[state] === ENDED) return dead(this, this);
    const own = await_(this);
    if (this[state] === ABORTED) queueMicrotask(() => guard(this, handler));
    else own.aborted.push(handler);
    return this;
  }

  onData(handler) {
    checkCallback(handler);
    return read(this, (chunk, isLast) => handler(chunk, isLast));
  }

  onDataV2(handler) {
    checkCallback(handler);
    if (this[state] > AWAITED) return dead(this, this);
    const length = lengthOf(this[request]);
    let left = length === undefined ? 0n : BigInt(length);
    return read(this, (chunk, isLast) => {
      left -= BigInt(chunk.byteLength);
      if (isLast) return handler(chunk, 0n);
      return handler(chunk, length === undefined ? 0xffff_ffff_ffff_ffffn : left);
    });
  }

  collectBody(maxSize, handler) {
    checkCallback(handler);
    if (this[state] > AWAITED) return dead(this, this);
    if (typeof maxSize !== 'number') throw new TypeError('maxSize has to be a number of bytes');
    if (!(maxSize >= 0)) throw new RangeError('maxSize has to be a number of bytes');
    const own = await_(this);
    checkReading(own, COLLECTING);
    own.data = (body, _isLast, isTooLarge) => handler(isTooLarge ? null : body);
    if (own.reading === undefined) {
      own.reading = COLLECTING;
      select(this);
      native.responseCollect(maxSize);
    }
    return this;
  }

  pause() {
    if (this[state] > AWAITED) return dead(this, this);
    select(this);
    native.responsePause();
    return this;
  }

  resume() {
    if (this[state] > AWAITED) return dead(this, this);
    select(this);
    native.responseResume();
    return this;
  }

  cork(callback) {
    checkCallback(callback);
    if (this[state] > AWAITED) return dead(this, this);
    const result = callback();
    if (core.isThenable(result)) core.whenSettled(result, undefined, (error) => fail(this, error));
    return this;
  }

  collect(callback) {
    return this.cork(callback);
  }

  upgrade(userData, secWebSocketKey, secWebSocketProtocol, secWebSocketExtensions, context) {
    if (arguments.length !== 5) {
      this[app].warn('res.upgrade() needs five arguments: nothing was done');
      return;
    }
    if (this[state] > AWAITED) {
      dead(this);
      return;
    }
    const offer = this[app].offerOf(context);
    if (offer === undefined) throw new TypeError('res.upgrade() needs the context of its request');
    const protocol = text(secWebSocketProtocol).split(',')[0].trim();
    const extends_ = text(secWebSocketExtensions) !== '';
    // Before anything is answered: what is copied may throw.
    const ws = this[app].socketOf(this[low], this[high], userData);
    select(this);
    native.responseUpgrade(offer.kind, offer.handshake, protocol, extends_);
    if (registers[core.STATUS] === core.REFUSED_OTHER) {
      throw new TypeError('res.upgrade() needs the context of its own request');
    }
    if (registers[core.STATUS] >= 0) this[app].opened(this[low], ws);
    done(this);
  }

  getRemoteAddress() {
    if (this[state] > AWAITED) return dead(this, new ArrayBuffer(0));
    select(this);
    return native.connectionAddress();
  }

  getRemoteAddressAsText() {
    return core.addressText(this.getRemoteAddress());
  }

  getRemotePort() {
    if (this[state] > AWAITED) return dead(this, 0);
    select(this);
    native.connectionAddress();
    return registers[core.FIRST];
  }

  getProxiedRemoteAddress() {
    if (this[state] > AWAITED) return dead(this, new ArrayBuffer(0));
    select(this);
    return native.connectionProxiedAddress();
  }

  getProxiedRemoteAddressAsText() {
    return core.addressText(this.getProxiedRemoteAddress());
  }

  getProxiedRemotePort() {
    if (this[state] > AWAITED) return dead(this, 0);
    select(this);
    native.connectionProxiedAddress();
    return registers[core.FIRST];
  }
}

Object.defineProperty(HttpResponse, 'name', { value: 'uWS.HttpResponse' });

/** What a filter is given: a connection without a request. */
class Connection extends HttpResponse {
  close() {
    select(this);
    native.connectionClose();
    return this;
  }
}

/** Names the response to the binary. */
function select(res) {
  registers[core.LOW] = res[low];
  registers[core.HIGH] = res[high];
  registers[core.REQUEST] = res[number];
  registers[core.APP] = res[app].number;
}

function ensure(res) {
  return (res[later] ??= new Later());
}

/** Keeps a live answer for later: the binary tells of its end. */
function keep(res) {
  if (res[state] === LIVE) {
    select(res);
    native.responseKeep();
    if (registers[core.STATUS] === core.STALE) {
      // Its peer has left within this handler: the binary will tell of nothing.
      end(res, ABORTED);
    } else {
      res[state] = KEPT;
      res[app].keep(res[low] & core.INDEX_MASK, res);
    }
  }
  return ensure(res);
}

/** The same, since the program will hear of something. */
function await_(res) {
  const own = keep(res);
  if (res[state] === KEPT) res[state] = AWAITED;
  return own;
}

function read(res, handler) {
  if (res[state] > AWAITED) return dead(res, res);
  const own = await_(res);
  checkReading(own, STREAMING);
  own.data = handler;
  if (own.reading === undefined) {
    own.reading = STREAMING;
    select(res);
    native.responseStream();
  }
  return res;
}

/** A body is read in pieces or as a whole. */
function checkReading(own, how) {
  if (own.reading !== undefined && own.reading !== how) {
    throw new Error('the body is being read already, with onData or with collectBody');
  }
}

/** The peer reads slowly: whoever waits for that to pass is told. */
function block(res) {
  const own = ensure(res);
  own.isBlocked = true;
  if (own.writable !== undefined) {
    select(res);
    native.responseOnWritable();
  }
}

/** The engine decides how an answer is framed, whatever these say. */
function isFraming(name) {
  return /^(?:connection|transfer-encoding)$/i.test(name);
}

/** The announced length of a request's body; `undefined` for chunks. */
function lengthOf(req) {
  if (!isReadable(req)) return undefined;
  const length = req.getHeader('content-length');
  if (length !== '') return Number(length);
  return req.getHeader('transfer-encoding') === '' ? 0 : undefined;
}

/** A terminal call was made. */
function done(res) {
  const status = registers[core.STATUS];
  return status === core.STALE ? lost(res, status) : end(res, ENDED);
}

/** The peer has left, of which the program is about to hear. */
function lost(res, status) {
  return status === core.STALE ? end(res, ABORTED) : res;
}

function end(res, how) {
  // One that was aborted stays until its handlers have been told.
  if (how === ENDED && res[state] !== LIVE) res[app].forget(res[low] & core.INDEX_MASK, res);
  res[state] = how;
  if (how === ENDED) res.ended = true;
  else res.aborted = true;
  if (res[app].isStrict) res[terminal] = new Error('the response was ended here');
  return res;
}

/** A call that comes too late. */
function dead(res, result) {
  if (res[app].isStrict) throw new Error(DEAD, { cause: res[terminal] });
  // The engine refuses it too, and counts that.
  select(res);
  native.responseWritten();
  return result;
}

/** Calls a handler of the program's; what it throws is reported, and the answer is 500. */
function guard(res, handler, ...values) {
  try {
    const result = handler(...values);
    core.whenSettled(result, undefined, (error) => fail(res, error));
  } catch (error) {
    fail(res, error);
  }
}

/** A handler has failed. Returns whether somebody goes on with the request after an await. */
function fail(res, error) {
  if (res[later]?.isFailing) {
    // What it has registered stands.
    res[app].warnFailed(error, res[request]);
    return true;
  }
  if (res[later] !== undefined) {
    // Only `onError` goes on, and those who listen for the abort.
    res[later].data = ignore;
    res[later].writable = undefined;
  }
  const told = res[app].failed(error, res, res[request]);
  // A connection has no request, so that there is nothing to wait with.
  const waits = told !== undefined && res[state] <= AWAITED && res[request] !== undefined;
  if (waits) {
    const own = await_(res);
    own.isFailing = true;
    told.then(() => {
      own.isFailing = false;
      giveUp(res);
    });
  } else {
    giveUp(res);
  }
  return waits;
}

function ignore() {}

/** Answers 500 if nobody has answered. */
function giveUp(res) {
  if (res[state] <= AWAITED) {
    select(res);
    native.responseFail();
    end(res, ENDED);
  }
}

module.exports = {
  HttpResponse,
  Connection,
  guard,
  fail,
  giveUp,
  keep,

  isOpen: (res) => res[state] <= AWAITED,
  isLive: (res) => res[state] === LIVE,
  isAwaited: (res) => res[state] === AWAITED,
  /** Whether this is the response that an event is about. */
  isNamed: (res) =>
    res[low] === registers[core.LOW] &&
    res[high] === registers[core.HIGH] &&
    res[number] === registers[core.REQUEST],

  /** Leaves the request to the next route. */
  pass(res) {
    select(res);
    native.responseNext();
    res[state] = ENDED;
  },

  tellAborted(res) {
    res[app].forget(res[low] & core.INDEX_MASK, res);
    if (res[state] <= AWAITED) end(res, ABORTED);
    for (const handler of res[later].aborted) guard(res, handler);
  },

  tellWritable(res) {
    const own = res[later];
    own.isBlocked = false;
    if (own.writable === undefined || res[state] > AWAITED) return;
    select(res);
    guard(res, own.writable, native.responseWritten());
  },

  tellPiece(res, piece) {
    const kind = registers[core.FIRST];
    if (res[state] <= AWAITED) {
      guard(res, res[later].data, piece, kind !== core.MORE, kind === core.TOO_MUCH);
    }
  },
};
