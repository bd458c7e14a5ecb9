'use strict';

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
  for (;;) {
    const value = await condition();
    if (value) {
      return value;
    }
    await sleep(1);
  }
}

function sleep(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function turn() {
  return new Promise((resolve) => setImmediate(resolve));
}

module.exports = { deferred, until, sleep, turn };
