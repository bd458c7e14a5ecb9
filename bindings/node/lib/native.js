'use strict';

// The binary itself: `require('./native.js')` is what the Rust crate exports.

module.exports = require('./platform.js').load();
