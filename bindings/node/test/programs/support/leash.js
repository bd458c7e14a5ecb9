'use strict';

// Loaded before an example: ends it when the test that started it is gone, however that ended.

const { isMainThread } = require('node:worker_threads');

if (isMainThread) {
  process.stdin.on('end', () => process.exit(1)).resume().unref();
}
