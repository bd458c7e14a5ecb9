'use strict';

const { isOpen } = require('./response.js');
const { bytesOf, checkCallback, isThenable } = require('./core.js');

/** Entries that are kept; the one that was used least recently goes first. */
const ENTRIES_MAX = 1000;

/**
 * A handler whose answers are kept: for `lowerExpiry` seconds they are given at once, up to
 * `upperExpiry` while a new one is made behind. Requests for the same URL that come while there is
 * none wait for one call of the handler. Only the body is kept, and answered with 200.
 */
function cached(handler, { lowerExpiry, upperExpiry }, failed) {
  checkCallback(handler);
  const lowerMs = milliseconds('lowerExpiry', lowerExpiry);
  const upperMs = milliseconds('upperExpiry', upperExpiry);
  const entries = new Map();

  function lookUp(key) {
    const entry = entries.get(key) ?? new Entry();
    // To the end: what is at the beginning was not used for longest.
    entries.delete(key);
    entries.set(key, entry);
    if (entries.size > ENTRIES_MAX) entries.delete(entries.keys().next().value);
    return entry;
  }

  function make(entry, req) {
    entry.isMade = true;
    const settle = (body) => {
      if (!entry.isMade) return;
      entry.isMade = false;
      if (body !== undefined) {
        entry.body = body;
        entry.madeMs = now();
      }
      const waiting = [...entry.waiting].filter(isOpen);
      entry.waiting.clear();
      for (const res of waiting) {
        if (body === undefined) res.writeStatus('500 Internal Server Error').end();
        else res.end(body);
      }
    };
    const fail = (error) => {
      settle(undefined);
      failed(error, req);
    };
    const leave = () => {
      if (entry.isMade && !res.isAwaited) fail(new Error('nobody has answered'));
    };
    const res = new CachedHttpResponse(settle);
    try {
      const result = handler(res, req);
      if (isThenable(result)) return Promise.resolve(result).then(leave, fail);
      leave();
    } catch (error) {
      fail(error);
    }
    return undefined;
  }

  return (res, req) => {
    const query = req.getQuery();
    const entry = lookUp(query === undefined ? req.getUrl() : `${req.getUrl()}?${query}`);
    const age = entry.body === undefined ? Infinity : now() - entry.madeMs;
    if (age <= upperMs) {
      res.end(entry.body);
      if (age <= lowerMs) return undefined;
    } else {
      entry.waiting.add(res);
      // Who has left needs no answer.
      res.onAborted(() => entry.waiting.delete(res));
    }
    return entry.isMade ? undefined : make(entry, req);
  };
}

class Entry {
  body = undefined;
  madeMs = 0;
  isMade = false;
  waiting = new Set();
}

/** What the handler of a cached route answers: nobody in particular. */
class CachedHttpResponse {
  #pieces = [];
  #settle;
  /** Whether somebody will answer later. */
  isAwaited = false;

  constructor(settle) {
    this.#settle = settle;
  }

  write(chunk) {
    // A copy: the program may write over what it has given.
    this.#pieces.push(Buffer.from(bytesOf(chunk)));
    return true;
  }

  end(body) {
    this.write(body);
    this.#settle(Buffer.concat(this.#pieces));
    return this;
  }

  onAborted() {
    this.isAwaited = true;
    return this;
  }

  cork(callback) {
    callback();
    return this;
  }
}

Object.defineProperty(CachedHttpResponse, 'name', { value: 'uWS.CachedHttpResponse' });

function now() {
  return performance.now();
}

function milliseconds(name, seconds) {
  if (typeof seconds !== 'number' || !(seconds >= 0)) {
    throw new RangeError(`${name} has to be a number of seconds`);
  }
  return seconds * 1000;
}

module.exports = { cached };
