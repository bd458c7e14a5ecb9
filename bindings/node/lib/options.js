'use strict';

const { CONSTANTS, windows } = require('./compression.js');
const { native } = require('./core.js');

/** Programs for uWebSockets.js, which has no limit, may not look at what `write` returns. */
const WRITE_BUFFER_BYTES_MAX = 64 * 1024 * 1024;

/** The options of an app, checked, as the binary takes them. */
function appOptions(options) {
  const checked = { writeBufferBytesMax: WRITE_BUFFER_BYTES_MAX };
  for (const [name, isFlag] of Object.entries(native.settings)) {
    const value = options[name];
    if (value !== undefined) {
      checked[name] = isFlag ? Number(flag(name, value)) : integer(name, value);
    }
  }
  if (options.strict !== undefined) flag('strict', options.strict);
  if (options.serverHeader !== undefined) {
    if (typeof options.serverHeader !== 'string') {
      throw new TypeError('serverHeader has to be a string');
    }
    checked.serverHeader = options.serverHeader;
  }
  return checked;
}

/** The options of a kind of WebSocket, likewise. */
function webSocketOptions(behavior) {
  const option = (name, check, preset) =>
    behavior[name] === undefined ? preset : check(name, behavior[name]);
  const idleTimeoutMs = milliseconds(option('idleTimeout', seconds, 120), 1000);
  const pings = option('sendPingsAutomatically', flag, true);
  const backpressure = option('maxBackpressure', integer, 64 * 1024);
  const compression = option('compression', compressOptions, 0);
  const policy = option('closeOnBackpressureLimit', flag, false) ? 1 : 0;
  return {
    maxPayloadLength: option('maxPayloadLength', integer, 16 * 1024),
    idleTimeoutMs,
    pingIntervalMs: pings && idleTimeoutMs > 0 ? pingInterval(idleTimeoutMs) : 0,
    lifetimeMs: milliseconds(option('maxLifetime', seconds, 0), 60_000),
    // 0 is no limit; below what one cork gathers none would have a meaning.
    backpressure: backpressure === 0 ? 2 : policy,
    maxBackpressure: Math.max(backpressure, 16 * 1024),
    ...windows(compression),
  };
}

/** A Ping leaves room for its Pong before the timeout. */
function pingInterval(idleTimeoutMs) {
  return Math.ceil(idleTimeoutMs <= 16_000 ? idleTimeoutMs / 2 : idleTimeoutMs - 8_000);
}

function milliseconds(value, factor) {
  return Math.min(Math.ceil(value * factor), 0xffff_ffff);
}

function compressOptions(name, value) {
  integer(name, value);
  const [compressor, decompressor] = [value & 0xff, value & ~0xff];
  const known = Object.values(CONSTANTS);
  if (!known.includes(compressor) || !known.includes(decompressor)) {
    throw new RangeError(`${name} has to be made of the constants for it`);
  }
  return value;
}

function integer(name, value) {
  if (typeof value !== 'number') throw new TypeError(`${name} has to be a number`);
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new RangeError(`${name} has to be an integer that is not negative`);
  }
  return value;
}

function seconds(name, value) {
  if (typeof value !== 'number') throw new TypeError(`${name} has to be a number`);
  if (!(value >= 0 && value < Infinity)) throw new RangeError(`${name} has to be 0 or more`);
  return value;
}

function flag(name, value) {
  if (typeof value !== 'boolean') throw new TypeError(`${name} has to be true or false`);
  return value;
}

/** The options of a kind of WebSocket, by name. */
const OPTIONS = [
  'maxPayloadLength',
  'idleTimeout',
  'maxLifetime',
  'maxBackpressure',
  'closeOnBackpressureLimit',
  'sendPingsAutomatically',
  'compression',
];

module.exports = { appOptions, OPTIONS, webSocketOptions };
