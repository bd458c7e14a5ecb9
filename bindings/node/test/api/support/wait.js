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

/** Resolves when `condition` holds; what looks at it is the event loop's every turn. */
function until(condition) {
  return new Promise((resolve, reject) => {
    const look = () => {
      try {
        const value = condition();
        if (value) {
          resolve(value);
        } else {
          setTimeout(look, 1);
        }
      } catch (error) {
        reject(error);
      }
    };
    look();
  });
}

function sleep(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function turn() {
  return new Promise((resolve) => setImmediate(resolve));
}

module.exports = { deferred, until, sleep, turn };
