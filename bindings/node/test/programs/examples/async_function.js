'use strict';

// Async handlers: read what is needed of the request, say what to do if the client goes, await, and
// answer corked.

const uws = require('uWebSockets.js');

function later(value) {
  return new Promise((resolve) => {
    setTimeout(resolve, 20, value);
  });
}

uws
  .App()
  .get('/later/:what', async (res, req) => {
    const what = req.getParameter(0);
    let isGone = false;
    res.onAborted(() => {
      isGone = true;
      console.log(`${what} gone`);
    });
    console.log(what);
    const answer = await later(what.toUpperCase());
    if (isGone) {
      return;
    }
    res.cork(() => {
      res.writeStatus('202 Accepted').writeHeader('X-Answer', 'late').end(answer);
    });
  })
  .listen('127.0.0.1', Number(process.argv[2]), (token) => {
    console.log(`listening on ${uws.us_socket_local_port(token)}`);
  });
