'use strict';

// Answers that are written down beforehand, and given without running any JavaScript.

const uws = require('uWebSockets.js');

const greeting = new uws.DeclarativeResponse()
  .writeStatus('201 Created')
  .writeHeader('X-Served', 'native')
  .write('Hello ')
  .writeParameterValue('name')
  .write(', you asked for ')
  .writeQueryValue('what')
  .write(' with ')
  .writeHeaderValue('user-agent')
  .end('.');

uws
  .App()
  .get('/hello/:name', greeting)
  .get('/fixed', new uws.DeclarativeResponse().writeHeader('X-Served', 'native').end('fixed'))
  .listen('127.0.0.1', Number(process.argv[2]), (token) => {
    console.log(`listening on ${uws.us_socket_local_port(token)}`);
  });
