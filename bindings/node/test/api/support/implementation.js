'use strict';

// Which implementation runs. The tests run against keirin; KEIRIN_TEST_PEER names the folder of
// another one with the same API (uWebSockets.js), against which all are held that do not test a
// difference.

const test = require('node:test');
const path = require('node:path');

const peer = process.env.KEIRIN_TEST_PEER;
const entry = peer ? path.resolve(peer) : path.resolve(__dirname, '../../..');
const isKeirin = !peer;

// What hangs fails; nothing else depends on it.
const DEADLINE_MS = Number(process.env.KEIRIN_TEST_DEADLINE_MS || 60_000);

function deadlined(options) {
  return { timeout: DEADLINE_MS, ...options };
}

/** A test of what both implementations do. */
function both(name, body, options) {
  return test(name, deadlined(options), body);
}

/** A test of what keirin does otherwise, or beyond. */
function own(name, body, options) {
  const skip = isKeirin ? false : 'of keirin alone';
  return test(name, deadlined({ ...options, skip }), body);
}

/** A test of what keirin does otherwise, by default and with `strict`. */
function ownInBothModes(name, body, options) {
  own(`${name}, by default`, (t) => body(t, false), options);
  own(`${name}, strictly`, (t) => body(t, true), options);
}

module.exports = { uws: require(entry), entry, isKeirin, both, own, ownInBothModes, DEADLINE_MS };
