'use strict';

// The name that programs import. It means keirin; KEIRIN_TEST_PEER names the folder of another
// implementation, uWebSockets.js itself, on which the same tests have to pass.

const path = require('node:path');

const peer = process.env.KEIRIN_TEST_PEER;

module.exports = require(peer ? path.resolve(peer) : path.resolve(__dirname, '../../..'));
