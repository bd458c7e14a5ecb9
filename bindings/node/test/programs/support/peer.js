'use strict';

// Whether keirin runs, or what KEIRIN_TEST_PEER names: for the few things that uWebSockets.js
// cannot do.

module.exports = { isKeirin: !process.env.KEIRIN_TEST_PEER };
