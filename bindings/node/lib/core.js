'use strict';

// What every part of the JavaScript layer shares: the binary, the registers through which integers
// travel to it and from it, and what counts as text or data.

const { types } = require('node:util');

// A copy, since V8 looks up what Node-API has set by hashing its name, at every call.
const native = { ...require('./native.js') };

/**
 * The numbers of a call or event: the binary says which stands where. A call sets the first four;
 * they are overwritten by whatever is called next.
 */
const registers = new Int32Array(native.registers);

/** The place of a connection in tables is in the lower bits of its id. */
const INDEX_MASK = 0xffffff;

const DATA_TEXT = 'Text and data can only be passed by String, ArrayBuffer or ArrayBufferView.';

/** Text or data of a program's, as the binary takes it. */
function recognized(value) {
  if (typeof value === 'string') return value;
  if (value === undefined) return '';
  if (ArrayBuffer.isView(value)) {
    const { buffer, byteOffset, byteLength } = value;
    // Other threads may write to shared memory while it is read.
    if (isShared(buffer)) return copy(buffer, byteOffset, byteLength);
    // The binary knows of bytes; what else there is comes and goes with versions.
    return types.isUint8Array(value) ? value : new Uint8Array(buffer, byteOffset, byteLength);
  }
  if (value instanceof ArrayBuffer || types.isArrayBuffer(value)) return value;
  if (isShared(value)) return copy(value, 0, value.byteLength);
  throw new Error(DATA_TEXT);
}

// Values of other contexts (`node:vm`) have classes of their own, so these are no `instanceof`.
function isShared(buffer) {
  return types.isSharedArrayBuffer(buffer);
}

function copy(buffer, offset, length) {
  return new Uint8Array(buffer, offset, length).slice();
}

/** The same as a `Buffer`, over the same memory where there is some. */
function bytesOf(value) {
  const data = recognized(value);
  return ArrayBuffer.isView(data)
    ? Buffer.from(data.buffer, data.byteOffset, data.byteLength)
    : Buffer.from(data);
}

/** The same as a string. */
function text(value) {
  return typeof value === 'string' ? value : bytesOf(value).toString();
}

/** The byte length of what `recognized` gives. */
function byteLength(data) {
  return typeof data === 'string' ? Buffer.byteLength(data) : data.byteLength;
}

function checkCallback(callback) {
  if (typeof callback !== 'function') throw new Error('Passed callback is not a valid function.');
}

function checkCount(count, least) {
  if (count < least) {
    throw new Error(`Function requires at least ${least} arguments.`);
  }
}

/** Whether a handler goes on after it has returned. */
function isThenable(value) {
  return value !== null && typeof value === 'object' && typeof value.then === 'function';
}

/**
 * Waits for what a handler has returned, if it is a promise or the like, whatever that does, and
 * returns a promise for the end of that.
 */
function whenSettled(value, resolved, rejected) {
  return isThenable(value) ? Promise.resolve(value).then(resolved, rejected) : undefined;
}

const encoder = new TextEncoder();

/** An address of 4 or 16 bytes as text: dotted, or eight groups of four digits. */
function addressText(address) {
  const bytes = new Uint8Array(address);
  if (bytes.length === 4) return encoder.encode(bytes.join('.')).buffer;
  let written = '';
  for (let at = 0; at < bytes.length; at += 2) {
    const group = (bytes[at] << 8) | bytes[at + 1];
    written += `${at === 0 ? '' : ':'}${group.toString(16).padStart(4, '0')}`;
  }
  return encoder.encode(written).buffer;
}

module.exports = {
  native,
  registers,
  // Names of registers, of how a call was refused, and of what a piece of a body is.
  ...native.numbers.register,
  ...native.numbers.status,
  ...native.numbers.piece,
  INDEX_MASK,
  recognized,
  bytesOf,
  text,
  byteLength,
  checkCallback,
  checkCount,
  isThenable,
  whenSettled,
  addressText,
};
