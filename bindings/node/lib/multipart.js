'use strict';

const { bytesOf, text } = require('./core.js');

const HEADERS_MAX = 10;
const CRLF = Buffer.from('\r\n');
const HEADERS_END = Buffer.from('\r\n\r\n');

/**
 * The parts of a multipart body (RFC 7578, RFC 2046 section 5.1), up to the first that is
 * malformed; `undefined` if the type names no boundary. Data are copies.
 */
function getParts(body, contentType) {
  const boundary = boundaryOf(text(contentType));
  if (boundary === undefined) return undefined;
  const bytes = bytesOf(body);
  const delimiter = Buffer.from(`--${boundary}`);
  const parts = [];
  let at = bytes.indexOf(delimiter);
  while (at !== -1) {
    const start = at + delimiter.length;
    if (!bytes.subarray(start, start + 2).equals(CRLF)) break;
    const end = bytes.indexOf(Buffer.concat([CRLF, delimiter]), start);
    if (end === -1) break;
    const part = partOf(bytes.subarray(start + 2, end));
    if (part === undefined) break;
    parts.push(part);
    at = end + 2;
  }
  return parts;
}

/** The boundary that a content type names, quoted or not. */
function boundaryOf(contentType) {
  if (!/^multipart\//i.test(contentType)) return undefined;
  const found = /;\s*boundary=(?:"((?:[^"\\]|\\.)+)"|([^\s;"]+))/i.exec(contentType);
  return found === null ? undefined : (found[1]?.replace(/\\(.)/g, '$1') ?? found[2]);
}

/** A part with its headers; `undefined` for a malformed one. */
function partOf(bytes) {
  // A part without headers begins with the empty line.
  const isBare = bytes.subarray(0, 2).equals(CRLF);
  const end = isBare ? 0 : bytes.indexOf(HEADERS_END);
  if (end === -1) return undefined;
  const lines = isBare ? [] : bytes.subarray(0, end).toString().split('\r\n');
  if (lines.length > HEADERS_MAX) return undefined;
  const content = bytes.subarray(isBare ? 2 : end + 4);
  const part = { data: Uint8Array.prototype.slice.call(content).buffer };
  for (const line of lines) {
    const colon = line.indexOf(':');
    if (colon < 1) return undefined;
    const value = line.slice(colon + 1).trim();
    const name = line.slice(0, colon).toLowerCase();
    if (name === 'content-type') part.type = value;
    if (name === 'content-disposition') Object.assign(part, disposition(value));
  }
  return part;
}

function disposition(value) {
  const found = {};
  for (const [, name, quoted, plain] of value.matchAll(
    /;\s*(name|filename)=(?:"((?:[^"\\]|\\.)*)"|([^\s;"]+))/gi,
  )) {
    found[name.toLowerCase()] = quoted?.replace(/\\(["\\])/g, '$1') ?? plain;
  }
  return found;
}

module.exports = { getParts };
