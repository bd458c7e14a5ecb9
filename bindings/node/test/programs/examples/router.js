'use strict';

// Which handler gets which request: fixed paths before parameters before wildcards, methods before
// `any`, and a handler may pass.

const uws = require('uWebSockets.js');

const say = (name) => (res, req) => {
  const parameters = [0, 1].map((index) => req.getParameter(index)).filter(Boolean);
  res.writeHeader('X-Method', req.getMethod());
  res.writeHeader('X-Query', req.getQuery() || 'none');
  res.end([name, ...parameters].join(' '));
};

uws
  .App()
  .get('/', say('root'))
  .get('/users', say('users'))
  .get('/users/me', say('me'))
  .get('/users/:name', say('user'))
  .get('/users/:name/posts/:post', say('post'))
  .put('/users/:name', say('put'))
  .patch('/users/:name', say('patch'))
  .del('/users/:name', say('delete'))
  .options('/users/*', say('options'))
  .head('/users', (res) => res.writeHeader('X-Users', '3').endWithoutBody(300))
  .get('/files/*', say('files'))
  .get('/members/:name', (res, req) => {
    if (req.getHeader('authorization') !== 'Member') {
      req.setYield(true);
      return;
    }
    res.end(`member ${req.getParameter('name')}`);
  })
  .get('/members/*', say('public'))
  .any('/members/:name', say('anything'))
  .any('/*', (res, req) => {
    res.writeStatus('404 Not Found').end(`No ${req.getCaseSensitiveMethod()} ${req.getUrl()}`);
  })
  .listen('127.0.0.1', Number(process.argv[2]), (token) => {
    console.log(`listening on ${uws.us_socket_local_port(token)}`);
  });
