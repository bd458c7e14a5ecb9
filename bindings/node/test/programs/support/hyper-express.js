'use strict';

// A hyper-express server for the length of a test.

const HyperExpress = require('hyper-express');

/** Serves what `configure` sets up, and gives the port. */
async function serve(t, configure, options = {}) {
  const server = new HyperExpress.Server({ auto_close: false, ...options });
  configure(server);
  await server.listen(0, '127.0.0.1');
  t.after(() => server.force_close());
  return server.port;
}

module.exports = { HyperExpress, serve };
