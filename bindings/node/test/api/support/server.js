'use strict';

const { uws } = require('./implementation');

/**
 * An app on a free port, closed after the test.
 *
 * @param t the test's context
 * @param configure called with the app before it listens
 * @param options of the app
 * @param host to listen on; without it, what the implementation takes
 */
function serve(t, configure, options, host) {
  const app = options === undefined ? uws.App() : uws.App(options);
  configure(app);
  let token;
  const listened = (value) => {
    token = value;
  };
  if (host === undefined) {
    app.listen(0, listened);
  } else {
    app.listen(host, 0, listened);
  }
  if (!token) {
    throw new Error('cannot listen');
  }
  t.after(() => app.close());
  return { app, token, port: uws.us_socket_local_port(token) };
}

/** As `serve`, with what the app logs in `records`; those that complain are `warnings`. */
function serveLogged(t, configure, options) {
  const records = [];
  const served = serve(t, (app) => {
    app.onLog((record) => records.push(record));
    configure(app);
  }, options);
  const warnings = () => records.filter(({ level }) => level === 'warn' || level === 'error');
  return { ...served, records, warnings };
}

module.exports = { serve, serveLogged };
