'use strict';

// Asks somebody else whether a client may come in before its handshake is answered. The request is
// gone by then, so what the handshake needs is kept, and the client may be gone too.

const uws = require('uWebSockets.js');

const TOKENS = new Map([
  ['sesame', { name: 'Ali', rank: 40 }],
  ['xyzzy', { name: 'Will', rank: 1 }],
]);

function lookUp(token, done) {
  setTimeout(done, 50, TOKENS.get(token));
}

uws
  .App()
  .ws('/*', {
    upgrade: (res, req, context) => {
      const key = req.getHeader('sec-websocket-key');
      const offered = req.getHeader('sec-websocket-protocol');
      const extensions = req.getHeader('sec-websocket-extensions');
      const url = req.getUrl();
      let isGone = false;
      res.onAborted(() => {
        isGone = true;
        console.log('gone');
      });
      console.log('asked');
      lookUp(req.getQuery('token'), (user) => {
        if (isGone) {
          return;
        }
        res.cork(() => {
          if (user === undefined) {
            res.writeStatus('401 Unauthorized').writeHeader('WWW-Authenticate', 'Token').end();
            return;
          }
          const protocol = offered.split(',')[0].trim();
          res.writeStatus('101 Switching Protocols');
          res.writeHeader('X-Rank', String(user.rank));
          res.upgrade({ user, url }, key, protocol, extensions, context);
        });
      });
    },
    open: (ws) => ws.send(`${ws.user.name} at ${ws.url}`),
    message: (ws, message, isBinary) => ws.send(message, isBinary),
    close: (ws, code, message) => {
      console.log(`${ws.getUserData().user.name} left: ${code} ${Buffer.from(message)}`);
    },
  })
  .listen('127.0.0.1', Number(process.argv[2]), (token) => {
    console.log(`listening on ${uws.us_socket_local_port(token)}`);
  });
