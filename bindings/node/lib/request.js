'use strict';

const { native, registers, APP, text, checkCallback } = require('./core.js');

const GONE =
  'uWS.HttpRequest must not be accessed after await or route handler return. ' +
  'See documentation for uWS.HttpRequest and consult the user manual.';

const number = Symbol('app');
const live = Symbol('live');
const head = Symbol('head');
const yielded = Symbol('yielded');

/** A request's head, taken apart: what the binary has copied before the handler returned. */
class Head {
  constructor(copied) {
    const parts = copied.split('\n');
    this.method = parts[0];
    this.url = parts[1];
    this.query = parts[2] === '' ? undefined : parts[2].slice(1);
    const end = 4 + 2 * Number(parts[3]);
    this.parameters = parts.slice(4, end);
    this.headers = parts.slice(end);
  }

  header(name) {
    for (let at = 0; at < this.headers.length; at += 2) {
      if (this.headers[at] === name) return this.headers[at + 1];
    }
    return '';
  }

  parameter(key) {
    if (typeof key === 'number') return this.parameters[2 * key + 1];
    for (let at = 0; at < this.parameters.length; at += 2) {
      if (this.parameters[at] === key) return this.parameters[at + 1];
    }
    return undefined;
  }
}

/** Bytes that stand for one character each, as the text in UTF-8 that they are. */
function decodeUtf8(latin1) {
  // eslint-disable-next-line no-control-regex
  return /^[\x00-\x7f]*$/.test(latin1) ? latin1 : Buffer.from(latin1, 'latin1').toString();
}

/** The decoded value of a query's first parameter of this name. */
function queryParameter(query, name) {
  for (const pair of query.split('&')) {
    const at = pair.indexOf('=');
    if (decode(at === -1 ? pair : pair.slice(0, at)) === name) {
      return at === -1 ? '' : decode(pair.slice(at + 1));
    }
  }
  return undefined;
}

/** `undefined` for what is malformed. */
function decode(encoded) {
  try {
    return decodeURIComponent(encoded.replaceAll('+', ' '));
  } catch {
    return undefined;
  }
}

class HttpRequest {
  constructor(app) {
    this[number] = app;
    this[live] = true;
    this[head] = undefined;
    this[yielded] = false;
  }

  getHeader(lowerCaseKey) {
    if (this[live]) {
      registers[APP] = this[number];
      const name = typeof lowerCaseKey === 'string' ? lowerCaseKey : text(lowerCaseKey);
      return native.requestHeader(name) ?? '';
    }
    return copied(this).header(text(lowerCaseKey).toLowerCase());
  }

  getParameter(index) {
    if (typeof index === 'number' && this[live]) {
      registers[APP] = this[number];
      return native.requestParameter(index);
    }
    return copied(this).parameter(typeof index === 'number' ? index : text(index));
  }

  getUrl() {
    if (this[live]) {
      registers[APP] = this[number];
      return native.requestUrl();
    }
    return copied(this).url;
  }

  getMethod() {
    return this.getCaseSensitiveMethod().toLowerCase();
  }

  getCaseSensitiveMethod() {
    if (this[live]) {
      registers[APP] = this[number];
      return native.requestMethod();
    }
    return copied(this).method;
  }

  getQuery(key) {
    const name = arguments.length === 1 ? text(key) : undefined;
    let query;
    if (this[live]) {
      registers[APP] = this[number];
      query = native.requestQuery();
    } else {
      query = copied(this).query;
    }
    if (name === undefined) return query;
    return query === undefined ? undefined : queryParameter(query, name);
  }

  forEach(callback) {
    checkCallback(callback);
    const { headers } = copied(this);
    for (let at = 0; at < headers.length; at += 2) {
      callback(headers[at], decodeUtf8(headers[at + 1]));
    }
  }

  setYield(isYielded) {
    if (!this[live]) throw new Error(GONE);
    this[yielded] = Boolean(isYielded);
    return this;
  }
}

Object.defineProperty(HttpRequest, 'name', { value: 'uWS.HttpRequest' });

/** The whole head, from the binary while the handler runs. */
function copied(req) {
  if (req[head] === undefined) {
    if (!req[live]) throw new Error(GONE);
    registers[APP] = req[number];
    req[head] = new Head(native.requestHead());
  }
  return req[head];
}

/** The handler has returned; `keeps` is whether it goes on, after an await. */
function release(req, keeps) {
  if (keeps) copied(req);
  else req[head] = undefined;
  req[live] = false;
}

module.exports = {
  HttpRequest,
  release,
  isYielded: (req) => req[yielded],
  isReadable: (req) => req[live] || req[head] !== undefined,
};
