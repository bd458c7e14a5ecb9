'use strict';

const app = require('./lib/app.js');
const { CONSTANTS } = require('./lib/compression.js');
const { native, recognized } = require('./lib/core.js');
const { DeclarativeResponse } = require('./lib/declarative.js');
const { getParts } = require('./lib/multipart.js');

/** The key-value store that all threads share. */
const store = {
  getString: (key, collection) => native.getString(recognized(key), recognized(collection)),
  setString: (key, value, collection) =>
    native.setString(recognized(key), recognized(value), recognized(collection)),
  getInteger: (key, collection) => native.getInteger(recognized(key), recognized(collection)),
  setInteger: (key, value, collection) =>
    native.setInteger(recognized(key), Number(value), recognized(collection)),
  incInteger: (key, change, collection) =>
    native.incInteger(recognized(key), Number(change), recognized(collection)),
  getStringKeys: (collection) => native.getStringKeys(recognized(collection)),
  getIntegerKeys: (collection) => native.getIntegerKeys(recognized(collection)),
  deleteString: (key, collection) => native.deleteString(recognized(key), recognized(collection)),
  deleteInteger: (key, collection) => native.deleteInteger(recognized(key), recognized(collection)),
  deleteStringCollection: (collection) => native.deleteStringCollection(recognized(collection)),
  deleteIntegerCollection: (collection) => native.deleteIntegerCollection(recognized(collection)),
  lock: () => native.lock(),
  unlock: () => native.unlock(),
};

module.exports = {
  App: app.App,
  SSLApp: app.SSLApp,
  H3App: app.H3App,
  DeclarativeResponse,
  us_listen_socket_close: app.us_listen_socket_close,
  us_socket_local_port: app.us_socket_local_port,
  getParts,
  LIBUS_LISTEN_EXCLUSIVE_PORT: 1,
  // Declared by the types of uWebSockets.js, which has it at compile time only.
  ListenOptions: {
    0: 'LIBUS_LISTEN_DEFAULT',
    1: 'LIBUS_LISTEN_EXCLUSIVE_PORT',
    LIBUS_LISTEN_DEFAULT: 0,
    LIBUS_LISTEN_EXCLUSIVE_PORT: 1,
  },
  ...CONSTANTS,
  ...store,
  // There is no header to be silent about, and there are no timers of its own.
  _cfg() {},
  setTimeout() {},
  clearTimeout() {},
  arm() {},
};
