'use strict';

const { bytesOf } = require('./core.js');

const END = 0;
const WRITE_HEADER = 1;
const WRITE_BODY = 2;
const WRITE_QUERY_VALUE = 3;
const WRITE_HEADER_VALUE = 4;
const WRITE = 5;
const WRITE_PARAMETER_VALUE = 6;
const WRITE_STATUS = 7;

/**
 * Writes an answer down, once, as a program that the binary runs for every request without
 * entering JavaScript.
 */
class DeclarativeResponse {
  #steps = [];

  #add(opcode, ...fields) {
    this.#steps.push(Buffer.from([opcode]), ...fields);
    return this;
  }

  writeStatus(status) {
    return this.#add(WRITE_STATUS, short(status));
  }

  writeHeader(key, value) {
    return this.#add(WRITE_HEADER, short(key), short(value));
  }

  writeBody() {
    return this.#add(WRITE_BODY);
  }

  writeQueryValue(key) {
    return this.#add(WRITE_QUERY_VALUE, short(key));
  }

  writeHeaderValue(key) {
    return this.#add(WRITE_HEADER_VALUE, short(key));
  }

  writeParameterValue(key) {
    return this.#add(WRITE_PARAMETER_VALUE, short(key));
  }

  write(value) {
    return this.#add(WRITE, long(value));
  }

  /** The program, to be given to a route. */
  end(value) {
    this.#add(END, long(value));
    const bytes = Buffer.concat(this.#steps);
    return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
  }
}

function short(value) {
  const bytes = bytesOf(value);
  if (bytes.length > 255) throw new RangeError('Data length exceeds 255');
  return Buffer.concat([Buffer.from([bytes.length]), bytes]);
}

function long(value) {
  const bytes = bytesOf(value);
  if (bytes.length > 65_535) throw new RangeError('Data length exceeds 65535');
  return Buffer.concat([Buffer.from([bytes.length & 0xff, bytes.length >> 8]), bytes]);
}

module.exports = { DeclarativeResponse };
