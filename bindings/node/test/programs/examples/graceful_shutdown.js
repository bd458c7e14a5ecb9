'use strict';

// On SIGTERM: takes no more connections, lets answers that have begun finish, tells WebSockets to
// go elsewhere. Nothing then holds the process.

const uws = require('uWebSockets.js');

const sockets = new Set();
const waiting = new Set();
let listenToken;

function finish(res) {
  waiting.delete(res);
  res.cork(() => res.end('finished'));
}

process.once('SIGTERM', () => {
  console.log('stopping');
  uws.us_listen_socket_close(listenToken);
  for (const ws of [...sockets]) {
    ws.end(1001, 'Going away');
  }
  setTimeout(() => {
    for (const res of [...waiting]) {
      finish(res);
    }
    app.close();
  }, 100);
});

process.once('exit', () => console.log('bye'));

const app = uws
  .App()
  .get('/slow', (res) => {
    res.onAborted(() => waiting.delete(res));
    res.cork(() => res.write('begun,'));
    waiting.add(res);
    console.log('slow');
  })
  .get('/fast', (res) => {
    res.end('fast');
  })
  .ws('/*', {
    open: (ws) => sockets.add(ws),
    close: (ws, code, message) => {
      sockets.delete(ws);
      console.log(`closed ${code} ${Buffer.from(message)}`);
    },
  })
  .listen('127.0.0.1', Number(process.argv[2]), (token) => {
    listenToken = token;
    console.log(`listening on ${uws.us_socket_local_port(token)}`);
  });
