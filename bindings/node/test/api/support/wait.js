'use strict';

const { DEADLINE_MS } = require('./implementation');

/** A promise with its `resolve` and `reject`. */
function deferred() {
  const result = {};
  result.promise = new Promise((resolve, reject) => {
    result.resolve = resolve;
    result.reject = reject;
  });
  return result;
}

/** Resolves with what `condition` gives, or its promise, as soon as that is true. */
async function until(condition) {
  const deadline = Date.now() + DEADLINE_MS;
  while (Date.now() < deadline) {
    const value = await condition();
    if (value) {
      return value;
    }
    await sleep(1);
  }
  throw new Error(`still waiting for ${condition}`);
}

function sleep(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function turn() {
  return new Promise((resolve) => setImmediate(resolve));
}

module.exports = { deferred, until, sleep, turn };
