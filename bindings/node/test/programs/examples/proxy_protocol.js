'use strict';

// Behind a proxy that speaks HAProxy's PROXY protocol: who the client is, and who the proxy.

const uws = require('uWebSockets.js');

function text(address) {
  return Buffer.from(address).toString();
}

uws
  .App()
  .get('/', (res) => {
    const answer = {
      peer: text(res.getRemoteAddressAsText()),
      client: text(res.getProxiedRemoteAddressAsText()),
      clientBytes: Buffer.from(res.getProxiedRemoteAddress()).toString('hex'),
    };
    res.end(JSON.stringify(answer));
  })
  .listen('127.0.0.1', Number(process.argv[2]), (token) => {
    console.log(`listening on ${uws.us_socket_local_port(token)}`);
  });
